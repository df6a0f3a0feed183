{{/* Labels that never change, for selectors. Argument: a dict of root and component. */}}
{{- define "store.selector" -}}
app.kubernetes.io/name: medusa
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of a pod. None may change with the chart's version: that would restart every pod. */}}
{{- define "store.podLabels" -}}
{{ include "store.selector" . }}
storeplane.io/store-id: {{ .root.Values.store.id | quote }}
storeplane.io/tenant: {{ .root.Values.store.tenant | quote }}
{{- end }}

{{- define "store.labels" -}}
{{ include "store.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.store.uid }}
storeplane.io/store-uid: {{ . | quote }}
{{- end }}
{{- end }}

{{/* An image and its pull policy. Argument: a dict of root and image (`store` or `database`). */}}
{{- define "store.image" -}}
{{- $image := index .root.Values.images .image -}}
{{- $tag := ternary (printf "@%s" $image.digest) (printf ":%s" $image.tag) (ne $image.digest "") -}}
image: {{ printf "%s/%s%s" .root.Values.images.registry $image.repository $tag | quote }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
{{- end }}

{{- define "store.host" -}}
{{- .Values.ingress.host | default (printf "%s.%s" .Release.Namespace .Values.ingress.domain) }}
{{- end }}

{{/* Not empty if the shop is served over HTTPS. The control plane derives its shop_url in the same way. */}}
{{- define "store.secure" -}}
{{- $gateway := and .Values.gateway.enabled .Values.gateway.tls.enabled -}}
{{- $ingress := and .Values.ingress.tls.enabled (or .Values.ingress.enabled (not .Values.gateway.enabled)) -}}
{{- if or $gateway $ingress }}true{{ end -}}
{{- end }}

{{/* The host name in the shop's URL. */}}
{{- define "store.publicHost" -}}
{{- .Values.domains.primary | default (include "store.host" .) }}
{{- end }}

{{/* The other host names to which the shop answers, which redirect to that one, as a JSON list. */}}
{{- define "store.redirectHosts" -}}
{{- $hosts := list (include "store.host" .) }}
{{- range .Values.domains.hosts }}{{ $hosts = append $hosts .host }}{{ end }}
{{- without $hosts (include "store.publicHost" .) | toJson }}
{{- end }}

{{- define "store.url" -}}
{{- $port := int .Values.ingress.externalPort -}}
{{- printf "%s://%s%s" (ternary "https" "http" (ne (include "store.secure" .) "")) (include "store.publicHost" .) (ternary (printf ":%d" $port) "" (gt $port 0)) }}
{{- end }}

{{- define "store.databaseHost" -}}
{{- ternary .Values.database.external.host "store-db" .Values.database.external.enabled }}
{{- end }}

{{- define "store.databasePort" -}}
{{- ternary (int .Values.database.external.port) 5432 .Values.database.external.enabled }}
{{- end }}

{{/* What all pods share: no service account token, Pod Security `restricted`, pull Secrets, scheduling. */}}
{{- define "store.pod" -}}
serviceAccountName: store
automountServiceAccountToken: false
enableServiceLinks: false
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
{{- with .Values.scheduling }}
{{- with .nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* What all containers share. The last log lines of a failed container become its termination message, so that its pod's status says why. */}}
{{- define "store.container" -}}
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
