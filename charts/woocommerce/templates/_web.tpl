{{/* What the bootstrap and the shop share. Text that people typed comes from a ConfigMap: Kubernetes would expand `$(NAME)` in a container's `env`. */}}
{{- define "store.webContainer" -}}
{{ include "store.image" (dict "root" . "image" "store") }}
{{ include "store.container" . }}
resources: {{ toJson .Values.web.resources }}
envFrom:
  - configMapRef: {name: store}
  - secretRef: {name: {{ .Values.secrets.salts.existingSecret }}}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: uploads, mountPath: /var/www/html/wp-content/uploads}
{{- if include "store.databaseCA" . }}
  - {name: database-ca, mountPath: /etc/storeplane/database-ca, readOnly: true}
{{- end }}
{{- range include "store.plugins" . | fromJsonArray }}
  - {name: plugins, mountPath: /var/www/html/wp-content/plugins/{{ .name }}, subPath: {{ .name }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "store.databaseEnv" -}}
{{- range $name, $key := dict "STORE_DB_NAME" "database" "STORE_DB_USER" "username" "STORE_DB_PASSWORD" "password" }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $.Values.secrets.database.existingSecret }}, key: {{ $key }}}}
{{- end }}
{{- end }}

{{/* Not empty if the shop may send mail. */}}
{{- define "store.sendsMail" -}}
{{- if and .Values.smtp.enabled (not .Values.store.staging) }}true{{ end -}}
{{- end }}

{{- define "store.smtpEnv" -}}
{{- if and (include "store.sendsMail" .) .Values.smtp.existingSecret }}
{{- range $name, $key := dict "STORE_SMTP_USER" "username" "STORE_SMTP_PASSWORD" "password" }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $.Values.smtp.existingSecret }}, key: {{ $key }}}}
{{- end }}
{{- end }}
{{- end }}

{{- define "store.adminEnv" -}}
{{- range $name, $key := dict "STORE_ADMIN_USER" "username" "STORE_ADMIN_PASSWORD" "password" }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $.Values.secrets.admin.existingSecret }}, key: {{ $key }}}}
{{- end }}
{{- end }}

{{/* Secret with the certificate authority of an external database; empty if there is none to mount. */}}
{{- define "store.databaseCA" -}}
{{- with .Values.database.external }}
{{- if and .enabled (eq .tls.mode "verify") }}{{ .tls.caSecret }}{{ end }}
{{- end }}
{{- end }}

{{/* A request through PHP, the database and WooCommerce. It works with any permalink structure. */}}
{{- define "store.canSell" -}}
httpGet:
  path: /index.php?rest_route=/wc/store/v1/products&per_page=1
  port: http
  httpHeaders:
    - {name: Host, value: {{ include "store.publicHost" . | quote }}}
{{- end }}

{{/* Not empty if a new pod of the shop starts before the old one ends. A ReadWriteOncePod volume is in one pod at a time. */}}
{{- define "store.rolling" -}}
{{- if and (ne .Values.uploads.accessMode "ReadWriteOncePod") (not .Values.web.recreate) }}true{{ end -}}
{{- end }}
