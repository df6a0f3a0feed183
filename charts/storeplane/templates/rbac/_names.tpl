{{/* The ClusterRole that the server binds to itself in each store's namespace. */}}
{{- define "storeplane.storeRole" -}}
{{ include "storeplane.fullname" . }}-store
{{- end }}

{{/* What the server's configuration says about its permissions, as YAML. */}}
{{- define "storeplane.permissionSettings" -}}
scope: {{ .Values.rbac.scope }}
store_role: {{ include "storeplane.storeRole" . }}
service_account: {{ .Release.Namespace }}/{{ include "storeplane.serviceAccountName" . }}
{{- end }}
