{{/* Environment variables of the image, Secrets excepted. toJson keeps text that people typed unchanged. */}}
{{- define "store.config" -}}
STORE_ID: {{ .Values.store.id | toJson }}
STORE_UID: {{ .Values.store.uid | toJson }}
STORE_NAME: {{ .Values.store.displayName | default .Values.store.id | toJson }}
STORE_ADMIN_EMAIL: {{ .Values.store.adminEmail | toJson }}
STORE_URL: {{ include "store.url" . | toJson }}
{{- with include "store.redirectHosts" . | fromJsonArray }}
STORE_REDIRECT_HOSTS: {{ join " " . | quote }}
{{- end }}
{{- if .Values.store.staging }}
STORE_STAGING: "true"
WP_ENVIRONMENT_TYPE: staging
{{- end }}
{{- if .Values.store.restored }}
STORE_SEED: wait
{{- end }}
STORE_DB_HOST: {{ include "store.databaseHost" . | toJson }}
STORE_DB_PORT: {{ include "store.databasePort" . | quote }}
{{- with .Values.database.external }}
{{- if .enabled }}
STORE_DB_TLS: {{ .tls.mode | quote }}
{{- if include "store.databaseCA" $ }}
STORE_DB_CA: /etc/storeplane/database-ca/ca.crt
{{- end }}
{{- end }}
{{- end }}
STORE_PHP_WORKERS: {{ int .Values.web.php.workers | quote }}
STORE_PHP_MEMORY: {{ int .Values.web.php.memoryLimit | quote }}
STORE_BODY_SIZE: {{ int .Values.ingress.bodySize | quote }}
STORE_INTERNET: {{ .Values.networkPolicy.internet | quote }}
STORE_PLUGINS: {{ concat .Values.plugins.activate (keys .Values.store.plugins | sortAlpha) | uniq | join " " | toJson }}
{{- with .Values.smtp }}
{{- if include "store.sendsMail" $ }}
STORE_SMTP_HOST: {{ .host | toJson }}
STORE_SMTP_PORT: {{ int .port | quote }}
STORE_SMTP_ENCRYPTION: {{ .encryption | toJson }}
STORE_SMTP_FROM: {{ .from | default $.Values.store.adminEmail | toJson }}
{{- if .from }}
STORE_SMTP_FROM_FIXED: "true"
{{- end }}
{{- with .fromName }}
STORE_SMTP_FROM_NAME: {{ . | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
