{{- define "storeplane.backups.fullname" -}}
{{ include "storeplane.fullname" . }}-backups
{{- end }}

{{- define "storeplane.backups.claim" -}}
{{- .Values.backups.volume.existingClaim | default (include "storeplane.backups.fullname" .) }}
{{- end }}

{{/* Whether backups are on a volume that one server, or one node, mounts at a time: `true` or empty. */}}
{{- define "storeplane.backups.exclusive" -}}
{{- if and (eq .Values.backups.storage "volume") (ne .Values.backups.volume.accessMode "ReadWriteMany") }}true{{ end }}
{{- end }}

{{/* `backups` of the server's configuration, as YAML; empty without backups. */}}
{{- define "storeplane.backups.settings" -}}
{{- with .Values.backups -}}
{{- if ne .storage "none" -}}
storage: {{ .storage }}
{{- if .keySecret }}
key_file: /etc/storeplane-backup-key/{{ .keyFile }}
{{- end }}
{{- if eq .storage "volume" }}
volume:
  path: /var/lib/storeplane/backups
  listen: {{ printf "%s:%d" $.Values.listenAddress (int .volume.port) | quote }}
  url: http://{{ include "storeplane.backups.fullname" $ }}.{{ $.Release.Namespace }}.svc:{{ int .volume.port }}
{{- else }}
s3:
  endpoint: {{ quote .s3.endpoint }}
  region: {{ quote .s3.region }}
  bucket: {{ quote .s3.bucket }}
  prefix: {{ quote .s3.prefix }}
  path_style: {{ .s3.pathStyle }}
  access_key_file: /etc/storeplane-backup-s3/{{ .s3.accessKeyKey }}
  secret_key_file: /etc/storeplane-backup-s3/{{ .s3.secretKeyKey }}
  {{- if .s3.caSecret }}
  ca_file: /etc/storeplane-backup-ca/{{ .s3.caKey }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Keys of the server's configuration that these values set. */}}
{{- define "storeplane.backups.reservedSettings" -}}
backups.storage: backups.storage
backups.key_file: backups.keySecret
backups.volume: backups.volume
backups.s3: backups.s3
{{- end }}

{{/* `to` and `ports` of the S3 server, as YAML: any address by default, in the form that the stores' chart accepts. */}}
{{- define "storeplane.backups.s3Server" -}}
{{- $url := urlParse .Values.backups.s3.endpoint -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- $anywhere := list (dict "ipBlock" (dict "cidr" "0.0.0.0/0")) (dict "ipBlock" (dict "cidr" "::/0")) -}}
to: {{ toJson (.Values.networkPolicy.backups.to | default $anywhere) }}
ports: {{ toJson (.Values.networkPolicy.backups.ports | default (list (int $port))) }}
{{- end }}

{{/* Egress rules with which stores' pods reach the storage, as YAML; empty without backups. */}}
{{- define "storeplane.backups.storeEgress" -}}
{{- if eq .Values.backups.storage "volume" -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace | quote }}}
      podSelector:
        matchLabels: {{- include "storeplane.selectorLabels" . | nindent 10 }}
  ports: [{port: {{ int .Values.backups.volume.port }}}]
{{- else if eq .Values.backups.storage "s3" -}}
{{- include "storeplane.egress" (include "storeplane.backups.s3Server" . | fromYaml) }}
{{- end }}
{{- end }}

{{- define "storeplane.backups.mounts" -}}
{{- with .Values.backups }}
{{- if eq .storage "volume" }}
- {name: backups, mountPath: /var/lib/storeplane/backups}
{{- end }}
{{- if and (ne .storage "none") .keySecret }}
- {name: backup-key, mountPath: /etc/storeplane-backup-key, readOnly: true}
{{- end }}
{{- if eq .storage "s3" }}
- {name: backup-s3, mountPath: /etc/storeplane-backup-s3, readOnly: true}
{{- if .s3.caSecret }}
- {name: backup-ca, mountPath: /etc/storeplane-backup-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "storeplane.backups.volumes" -}}
{{- with .Values.backups }}
{{- if eq .storage "volume" }}
- {name: backups, persistentVolumeClaim: {claimName: {{ include "storeplane.backups.claim" $ }}}}
{{- end }}
{{- if and (ne .storage "none") .keySecret }}
- {name: backup-key, secret: {secretName: {{ .keySecret }}, defaultMode: 0440}}
{{- end }}
{{- if eq .storage "s3" }}
- {name: backup-s3, secret: {secretName: {{ .s3.credentialsSecret }}, defaultMode: 0440}}
{{- if .s3.caSecret }}
- {name: backup-ca, secret: {secretName: {{ .s3.caSecret }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "storeplane.backups.check" -}}
{{- with .Values.backups }}
{{- if and (include "storeplane.backups.exclusive" $) (gt (int $.Values.replicas) 1) }}
{{- fail (printf "backups.volume.accessMode: %d servers share the volume, so it must be ReadWriteMany; otherwise use one server (replicas), or backups.storage s3" (int $.Values.replicas)) }}
{{- end }}
{{- if and (eq .storage "volume") $.Values.metrics.enabled (eq (int .volume.port) (int $.Values.metrics.port)) }}
{{- fail "backups.volume.port: must differ from metrics.port" }}
{{- end }}
{{- if eq .storage "s3" }}
{{- range $key := list "endpoint" "bucket" "credentialsSecret" }}
{{- if not (get $.Values.backups.s3 $key) }}
{{- fail (printf "backups.s3.%s: backups.storage s3 needs it" $key) }}
{{- end }}
{{- end }}
{{- if not .keySecret }}
{{- fail "backups.keySecret: backups.storage s3 needs the operator's keys (storeplane-server backup-key makes one)" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
