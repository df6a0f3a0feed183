{{- define "storeplane.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Beginning of all names, at most 48 characters: the longest suffix is `-postgres`, and a StatefulSet's pods add a revision hash. */}}
{{- define "storeplane.fullname" -}}
{{- $name := include "storeplane.name" . -}}
{{- $derived := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $derived .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- end }}

{{/* Labels that never change, for selectors. */}}
{{- define "storeplane.baseLabels" -}}
app.kubernetes.io/name: {{ include "storeplane.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Selects the servers' pods. */}}
{{- define "storeplane.selectorLabels" -}}
{{ include "storeplane.baseLabels" . }}
app.kubernetes.io/component: server
{{- end }}

{{/* Labels of all objects but pods and what belongs to Postgres. */}}
{{- define "storeplane.labels" -}}
{{ include "storeplane.selectorLabels" . }}
{{ include "storeplane.releaseLabels" . }}
{{- end }}

{{- define "storeplane.postgres.selectorLabels" -}}
{{ include "storeplane.baseLabels" . }}
app.kubernetes.io/component: postgres
{{- end }}

{{- define "storeplane.postgres.labels" -}}
{{ include "storeplane.postgres.selectorLabels" . }}
{{ include "storeplane.releaseLabels" . }}
{{- end }}

{{/* Labels that change with the release. No pod has them: a new version of the chart alone restarts nothing. */}}
{{- define "storeplane.releaseLabels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "storeplane.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "storeplane.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* A reference to an image. Argument: a dict of image and defaultTag. */}}
{{- define "storeplane.imageReference" -}}
{{- $tag := ternary (printf "@%s" .image.digest) (printf ":%s" (.image.tag | default .defaultTag)) (ne .image.digest "") -}}
{{- printf "%s/%s%s" .image.registry .image.repository $tag }}
{{- end }}

{{/* Whether the server has a certificate: `true` or empty. */}}
{{- define "storeplane.tls" -}}
{{- if or .Values.tls.existingSecret .Values.tls.certManager.enabled }}true{{ end }}
{{- end }}

{{- define "storeplane.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "storeplane.fullname" .)) }}
{{- end }}

{{- define "storeplane.postgres.fullname" -}}
{{ include "storeplane.fullname" . }}-postgres
{{- end }}

{{/* Secret with the database's URL. */}}
{{- define "storeplane.databaseSecret" -}}
{{- ternary (include "storeplane.postgres.fullname" .) .Values.database.existingSecret .Values.postgres.embedded.enabled }}
{{- end }}

{{/* What all pods share: Pod Security `restricted`, pull Secrets, where they may run. */}}
{{- define "storeplane.pod" -}}
enableServiceLinks: false
{{- if kindIs "bool" .Values.hostUsers }}
hostUsers: {{ .Values.hostUsers }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}

{{/* What all containers share. */}}
{{- define "storeplane.container" -}}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
{{- end }}
