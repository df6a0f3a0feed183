{{/* What the templates read from the cluster with `lookup`. Without an API server (`helm template`) nothing is found, and the values apply. */}}

{{/* The storage part of a claim's spec: its class and its size. Neither can be changed back in the cluster: a claim that was grown by hand keeps
     its size, and a bound claim keeps the class that it has when the values name another one. Argument: a dict of root, name, size and storageClass. */}}
{{- define "store.claimStorage" -}}
{{- $claim := lookup "v1" "PersistentVolumeClaim" .root.Release.Namespace .name | default dict -}}
{{- $size := .size -}}
{{- $class := .storageClass -}}
{{- with dig "spec" "resources" "requests" "storage" "" $claim -}}
{{- if gt (include "store.bytes" . | float64) (include "store.bytes" $size | float64) -}}
{{- $size = . -}}
{{- end -}}
{{- end -}}
{{- if and $class (dig "spec" "volumeName" "" $claim) -}}
{{- $class = dig "spec" "storageClassName" "" $claim -}}
{{- end -}}
{{- with $class -}}
storageClassName: {{ . }}
{{ end -}}
resources: {requests: {storage: {{ $size }}}}
{{- end }}

{{/* A Kubernetes quantity as a number: 1.5Gi, 2G, 5e9, 1500m. */}}
{{- define "store.bytes" -}}
{{- $number := regexFind "^[0-9.]+([eE][-+]?[0-9]+)?" . -}}
{{- $unit := trimPrefix $number . -}}
{{- $factors := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- mulf (float64 $number) (get $factors $unit) -}}
{{- end }}

{{/* A checksum of the Secrets that a workload's pods read when they start: pods are replaced by the upgrade that follows a change.
     The database's Secret and the keys hold enough random characters that a password cannot be guessed from it. Argument: a dict of root and names. */}}
{{- define "store.secretsChecksum" -}}
{{- $data := list -}}
{{- range .names -}}
{{- $data = append $data (dig "data" dict (lookup "v1" "Secret" $.root.Release.Namespace . | default dict)) -}}
{{- end -}}
{{- toJson $data | sha256sum -}}
{{- end }}

{{/* The quota. An upgrade to a smaller plan keeps a larger limit as long as the pods that it replaces leave no room for a new one: the rollout
     would wait forever. The next upgrade lowers it. */}}
{{- define "store.quota" -}}
{{- $quota := lookup "v1" "ResourceQuota" .Release.Namespace "store" | default dict -}}
{{- $new := dict "pods" "1" -}}
{{- range $kind, $amounts := .Values.web.resources -}}
{{- range $name, $amount := $amounts -}}
{{- $_ := set $new (printf "%s.%s" $kind $name) $amount -}}
{{- end -}}
{{- end -}}
{{- range $key, $wanted := .Values.quota.hard -}}
{{- $existing := dig "spec" "hard" $key $wanted $quota -}}
{{- $needed := addf (include "store.bytes" (dig "status" "used" $key "0" $quota) | float64) (include "store.bytes" (get $new $key | default "0") | float64) -}}
{{- $limit := include "store.bytes" $wanted | float64 -}}
{{- $keep := and (gt (include "store.bytes" $existing | float64) $limit) (gt $needed $limit) -}}
{{ $key }}: {{ ternary $existing $wanted $keep | quote }}
{{ end -}}
{{- end }}
