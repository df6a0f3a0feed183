{{/* A map as TOML; JSON's texts and numbers are TOML's too. Helm's toToml writes numbers of values files as floats, which the server refuses. Argument: a dict of path (a list) and table. */}}
{{- define "storeplane.toml" -}}
{{- $path := .path }}
{{- range $key, $value := .table }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "storeplane.tomlKey" $key }} = {{ include "storeplane.tomlValue" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- if kindIs "map" $value }}
{{- $below := append $path (include "storeplane.tomlKey" $key) }}

[{{ join "." $below }}]
{{- include "storeplane.toml" (dict "path" $below "table" $value) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "storeplane.tomlKey" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{- define "storeplane.tomlValue" -}}
{{- if kindIs "slice" . -}}
{{- $items := list }}
{{- range . }}{{ $items = append $items (include "storeplane.tomlValue" .) }}{{ end -}}
[{{ join ", " $items }}]
{{- else if kindIs "map" . -}}
{{- $items := list }}
{{- range $key, $value := . }}{{ $items = append $items (printf "%s = %s" (include "storeplane.tomlKey" $key) (include "storeplane.tomlValue" $value)) }}{{ end -}}
{ {{- join ", " $items -}} }
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end }}
