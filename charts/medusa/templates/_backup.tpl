{{/* What the containers of backups and restores share. The images' transfer.sh says what the folders are for. */}}
{{- define "store.backupContainer" -}}
{{ include "store.container" . }}
resources: {{ toJson .Values.backup.resources }}
envFrom: [{configMapRef: {name: store}}]
{{- end }}

{{- define "store.backupMounts" -}}
- {name: transfer, mountPath: /run/storeplane/transfer, readOnly: true}
- {name: spool, mountPath: /run/storeplane/spool}
- {name: shared, mountPath: /run/storeplane/shared}
{{- end }}
