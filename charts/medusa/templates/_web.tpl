{{/* What the bootstrap and the shop share. Text that people typed comes from a ConfigMap: Kubernetes would expand `$(NAME)` in a container's `env`. */}}
{{- define "store.webContainer" -}}
{{ include "store.image" (dict "root" . "image" "store") }}
{{ include "store.container" . }}
resources: {{ toJson .Values.web.resources }}
envFrom:
  - configMapRef: {name: store}
  - secretRef: {name: {{ .Values.secrets.keys.existingSecret }}}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: uploads, mountPath: /srv/uploads}
{{- if include "store.databaseCA" . }}
  - {name: database-ca, mountPath: /etc/storeplane/database-ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "store.databaseEnv" -}}
{{- range $name, $key := dict "STORE_DB_NAME" "database" "STORE_DB_USER" "username" "STORE_DB_PASSWORD" "password" }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $.Values.secrets.database.existingSecret }}, key: {{ $key }}}}
{{- end }}
{{- end }}

{{- define "store.redisEnv" -}}
{{- if .Values.redis.enabled }}
- name: STORE_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.redis.existingSecret }}, key: url}}
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

{{/* A request through Medusa, its modules and the database. */}}
{{- define "store.canSell" -}}
httpGet: {path: /-/ready, port: http}
{{- end }}

{{/* Not empty if a new pod of the shop starts before the old one ends. A ReadWriteOncePod volume is in one pod at a time. */}}
{{- define "store.rolling" -}}
{{- if and (ne .Values.uploads.accessMode "ReadWriteOncePod") (not .Values.web.recreate) }}true{{ end -}}
{{- end }}
