{{/* What the chart sets in the server's configuration, as YAML. */}}
{{- define "storeplane.ownSettings" -}}
listen: {{ printf "%s:8080" .Values.listenAddress | quote }}
health_listen: {{ printf "%s:8081" .Values.listenAddress | quote }}
instance: {{ .Values.instance | quote }}
domain: {{ .Values.stores.domain | quote }}
shutdown_seconds: {{ .Values.shutdown.seconds }}
charts:
  dir: /usr/share/storeplane/charts
  values: {{ toJson (append .Values.stores.valuesFiles "/etc/storeplane/store-values.yaml") }}
helm: {binary: /usr/local/bin/helm}
log: {format: json}
{{- with include "storeplane.backups.settings" . }}
backups: {{- . | nindent 2 }}
{{- end }}
{{- if .Values.metrics.enabled }}
metrics: {listen: {{ printf "%s:%d" .Values.listenAddress (int .Values.metrics.port) | quote }}}
{{- end }}
{{- if include "storeplane.tls" . }}
tls:
  certificate: /etc/storeplane-tls/tls.crt
  key: /etc/storeplane-tls/tls.key
  {{- if .Values.tls.clientCA.existingSecret }}
  client_ca: /etc/storeplane-client-ca/{{ .Values.tls.clientCA.key }}
  client_auth: {{ .Values.tls.clientCA.auth }}
  {{- with .Values.tls.clientCA.identities }}
  identities: {{ toJson . }}
  {{- end }}
  {{- end }}
{{- else }}
insecure_plaintext: true
{{- end }}
{{- if .Values.rbac.create }}
kubernetes: {{- include "storeplane.permissionSettings" . | nindent 2 }}
{{- end }}
{{- if or .Values.oidc.clientSecret.existingSecret .Values.oidc.ca.existingSecret }}
oidc:
  {{- if .Values.oidc.ca.existingSecret }}
  ca_file: /etc/storeplane-oidc-ca/{{ .Values.oidc.ca.key }}
  {{- end }}
  {{- if .Values.oidc.clientSecret.existingSecret }}
  client: {secret_file: /etc/storeplane-oidc/{{ .Values.oidc.clientSecret.key }}}
  {{- end }}
{{- end }}
{{- with .Values.telemetry.otlpEndpoint }}
telemetry: {otlp_endpoint: {{ quote . }}}
{{- end }}
{{- end }}

{{/* Keys of the server's configuration that values of the chart set, and those values. */}}
{{- define "storeplane.reservedSettings" -}}
listen: listenAddress
health_listen: listenAddress
instance: instance
domain: stores.domain
shutdown_seconds: shutdown.seconds
insecure_plaintext: tls.insecurePlaintext
tls: tls
charts.dir: image
charts.values: stores.valuesFiles and stores.values
database.url: database.existingSecret
database.listen_url: database.listenUrlKey
metrics.listen: metrics.port
{{- if .Values.rbac.create }}
kubernetes.scope: rbac.scope
kubernetes.store_role: rbac.create
kubernetes.service_account: serviceAccount
{{- end }}
{{ include "storeplane.backups.reservedSettings" . }}
oidc.ca_file: oidc.ca
oidc.client.secret_file: oidc.clientSecret
telemetry.otlp_endpoint: telemetry.otlpEndpoint
{{- end }}

{{/* storeplane.toml: `config` over what the chart sets. */}}
{{- define "storeplane.configFile" -}}
{{- range $key, $value := include "storeplane.reservedSettings" . | fromYaml }}
{{- $found := $.Values.config }}
{{- range splitList "." $key }}
{{- $found = ternary (get (ternary $found dict (kindIs "map" $found)) .) nil (kindIs "map" $found) }}
{{- end }}
{{- if not (or (kindIs "invalid" $found) (eq (toString $found) "")) }}
{{- fail (printf "config.%s: the chart sets this; use the value %s" $key $value) }}
{{- end }}
{{- end }}
{{- $settings := mergeOverwrite (include "storeplane.ownSettings" . | fromYaml) (deepCopy .Values.config) -}}
# Made from the chart's values. Secrets are environment variables, which override this file.
{{- include "storeplane.toml" (dict "path" list "table" $settings) }}
{{- end }}

{{/* The files in /etc/storeplane. */}}
{{- define "storeplane.files" -}}
storeplane.toml: |
  {{- include "storeplane.configFile" . | nindent 2 }}
store-values.yaml: |
  # Values of every store, after the chart's own files.
  {{- $values := deepCopy .Values.stores.values }}
  {{- with include "storeplane.backups.storeEgress" . | fromYamlArray }}
  {{- $values = merge $values (dict "backup" (dict "egress" .)) }}
  {{- end }}
  {{- with $values }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  {}
  {{- end }}
{{- end }}

{{/* Combinations of values that the schema cannot refuse with a message that helps. */}}
{{- define "storeplane.check" -}}
{{- include "storeplane.backups.check" . }}
{{- with .Values }}
{{- if and (not .postgres.embedded.enabled) (not .database.existingSecret) }}
{{- fail "database.existingSecret: set the Secret with the URL of your Postgres; or, for trying storeplane out, postgres.embedded.enabled" }}
{{- end }}
{{- if and .postgres.embedded.enabled .database.existingSecret }}
{{- fail "postgres.embedded.enabled: not together with database.existingSecret; a move to another database needs a dump (docs/upgrade.md)" }}
{{- end }}
{{- if and .database.migration.existingSecret (or .postgres.embedded.enabled (not .database.migration.servingRole)) }}
{{- fail "database.migration.existingSecret: needs database.migration.servingRole and a Postgres of yours: its migrations run as another role than the server" }}
{{- end }}
{{- if and .database.migration.servingRole (not .database.migration.existingSecret) }}
{{- fail "database.migration.servingRole: needs database.migration.existingSecret, the URL of the role that owns the schema" }}
{{- end }}
{{- if and .tls.existingSecret .tls.certManager.enabled }}
{{- fail "tls.certManager.enabled: not together with tls.existingSecret" }}
{{- end }}
{{- if and .tls.certManager.enabled (not .tls.certManager.issuerRef.name) }}
{{- fail "tls.certManager.issuerRef.name: set the issuer of the server's certificate" }}
{{- end }}
{{- if and .tls.insecurePlaintext (include "storeplane.tls" $) }}
{{- fail "tls.insecurePlaintext: not together with a certificate" }}
{{- end }}
{{- if not (or .tls.insecurePlaintext (include "storeplane.tls" $)) }}
{{- fail "tls: set tls.existingSecret or tls.certManager.enabled; or tls.insecurePlaintext, if a proxy in front of the server terminates TLS" }}
{{- end }}
{{- if and .tls.clientCA.existingSecret (not (include "storeplane.tls" $)) }}
{{- fail "tls.clientCA.existingSecret: needs a certificate of the server" }}
{{- end }}
{{- if and .tls.clientCA.identities (not .tls.clientCA.existingSecret) }}
{{- fail "tls.clientCA.identities: needs tls.clientCA.existingSecret" }}
{{- end }}
{{- if and (or .oidc.clientSecret.existingSecret .oidc.ca.existingSecret) (not .config.oidc) }}
{{- fail "oidc: describe the identity provider in config.oidc" }}
{{- end }}
{{- if and .metrics.serviceMonitor.enabled .metrics.podMonitor.enabled }}
{{- fail "metrics.podMonitor.enabled: not together with metrics.serviceMonitor.enabled, or every server is scraped twice" }}
{{- end }}
{{- if and (not .metrics.enabled) (or .metrics.serviceMonitor.enabled .metrics.podMonitor.enabled .metrics.prometheusRule.enabled) }}
{{- fail "metrics.enabled: monitors and rules need the metrics" }}
{{- end }}
{{- if and .ingress.enabled (not .ingress.host) }}
{{- fail "ingress.host: set the host name of the Ingress" }}
{{- end }}
{{- if and .ingress.grpc.host (not .ingress.enabled) }}
{{- fail "ingress.grpc.host: needs ingress.enabled" }}
{{- end }}
{{- if and .ingress.grpc.host (eq .ingress.grpc.host .ingress.host) }}
{{- fail "ingress.grpc.host: must differ from ingress.host, whose paths are the same" }}
{{- end }}
{{- if and .httpRoute.backendTLS.enabled (not (include "storeplane.tls" $)) }}
{{- fail "httpRoute.backendTLS.enabled: needs a certificate of the server" }}
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs: set the Gateways of the route" }}
{{- end }}
{{- end }}
{{- end }}
