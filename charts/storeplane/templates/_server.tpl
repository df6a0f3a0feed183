{{/* What the containers of the server's image share. With `migrates`, the one that changes the schema. */}}
{{- define "storeplane.serverContainer" -}}
image: {{ include "storeplane.imageReference" (dict "image" .Values.image "defaultTag" .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{ include "storeplane.container" . }}
resources: {{ toJson .Values.resources }}
env:
  - {name: STOREPLANE_CONFIG, value: /etc/storeplane/storeplane.toml}
  {{- if and .migrates .Values.database.migration.existingSecret }}
  - name: DATABASE_URL
    valueFrom: {secretKeyRef: {name: {{ .Values.database.migration.existingSecret }}, key: {{ .Values.database.migration.urlKey }}}}
  - {name: STOREPLANE_SERVING_ROLE, value: {{ quote .Values.database.migration.servingRole }}}
  {{- else }}
  - name: DATABASE_URL
    valueFrom: {secretKeyRef: {name: {{ include "storeplane.databaseSecret" . }}, key: {{ .Values.database.urlKey }}}}
  {{- with .Values.database.listenUrlKey }}
  - name: STOREPLANE_LISTEN_DATABASE_URL
    valueFrom: {secretKeyRef: {name: {{ include "storeplane.databaseSecret" $ }}, key: {{ . }}}}
  {{- end }}
  {{- end }}
  {{- with .Values.database.tls.mode }}
  - {name: PGSSLMODE, value: {{ . }}}
  {{- end }}
  {{- if .Values.database.tls.caSecret }}
  - {name: PGSSLROOTCERT, value: /etc/storeplane-database-ca/{{ .Values.database.tls.caKey }}}
  {{- end }}
  {{- with .Values.telemetry.headersSecret }}
  - name: OTEL_EXPORTER_OTLP_HEADERS
    valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.Values.telemetry.headersKey }}}}
  {{- end }}
  # Empty counts as unset: the image's own settings give way to the file.
  {{- range list "STOREPLANE_LISTEN" "STOREPLANE_HEALTH_LISTEN" "STOREPLANE_CHARTS_DIR" "STOREPLANE_HELM_BIN" "STOREPLANE_LOG_FORMAT" }}
  - {name: {{ . }}, value: ""}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumeMounts:
  - {name: config, mountPath: /etc/storeplane, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if include "storeplane.tls" . }}
  - {name: tls, mountPath: /etc/storeplane-tls, readOnly: true}
  {{- end }}
  {{- if .Values.oidc.clientSecret.existingSecret }}
  - {name: oidc, mountPath: /etc/storeplane-oidc, readOnly: true}
  {{- end }}
  {{- if .Values.oidc.ca.existingSecret }}
  - {name: oidc-ca, mountPath: /etc/storeplane-oidc-ca, readOnly: true}
  {{- end }}
  {{- if .Values.tls.clientCA.existingSecret }}
  - {name: client-ca, mountPath: /etc/storeplane-client-ca, readOnly: true}
  {{- end }}
  {{- if .Values.database.tls.caSecret }}
  - {name: database-ca, mountPath: /etc/storeplane-database-ca, readOnly: true}
  {{- end }}
  {{- if not .migrates }}
  {{- with include "storeplane.backups.mounts" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
