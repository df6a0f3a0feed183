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
STORE_DB_POOL: {{ int .Values.web.connections | quote }}
STORE_CURRENCY: {{ .Values.shop.currency | toJson }}
STORE_COUNTRIES: {{ join " " .Values.shop.countries | toJson }}
STORE_ORIGINS: {{ prepend .Values.shop.storefronts (include "store.url" .) | join "," | toJson }}
STORE_BODY_SIZE: {{ int .Values.ingress.bodySize | quote }}
{{- end }}
