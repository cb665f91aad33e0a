{{- define "pilothouse.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "pilothouse.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- /* 48, because some objects append a word to it. */ -}}
{{- default $full .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- end }}

{{- /* Unique in the cluster: two releases of one name may be in two namespaces. */ -}}
{{- define "pilothouse.clusterName" -}}
{{ .Release.Namespace }}:{{ include "pilothouse.fullname" . }}
{{- end }}

{{- define "pilothouse.selector" -}}
app.kubernetes.io/name: {{ include "pilothouse.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pilothouse.labels" -}}
{{ include "pilothouse.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "pilothouse.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "pilothouse.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "pilothouse.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end }}
{{- end }}
{{- end }}

{{- /* Whole seconds of a duration such as 1m30s, a part of one counted as one. */ -}}
{{- define "pilothouse.seconds" -}}
{{- $ms := 0 }}
{{- $units := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 }}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 }}
{{- $ms = add $ms (mul (regexFind "[0-9]+" . | int64) (get $units (regexFind "[a-z]+" .))) }}
{{- end }}
{{- div (add $ms 999) 1000 }}
{{- end }}

{{- /* Drain delay and timeout, and 10 s to write out the log and give the Lease back. */ -}}
{{- define "pilothouse.grace" -}}
{{- $delay := include "pilothouse.seconds" .Values.drain.delay | int64 }}
{{- $timeout := include "pilothouse.seconds" .Values.drain.timeout | int64 }}
{{- add $delay $timeout 10 }}
{{- end }}

{{- define "pilothouse.adminService" -}}
{{- if or .Values.admin.service .Values.serviceMonitor.enabled }}yes{{ end }}
{{- end }}
