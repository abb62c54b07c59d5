{{- define "email-worker.selector" -}}
app.kubernetes.io/name: email-worker
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "email-worker.labels" -}}
{{ include "email-worker.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | trimAll "-_." | quote }}
{{- end }}

{{- define "email-worker.secret" -}}
{{ .Values.secrets.existingSecret | default .Release.Name }}
{{- end }}

{{- define "email-worker.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Jobs a worker does on average before another is added. */}}
{{- define "email-worker.jobsTarget" -}}
{{- $max := get .Values.settings "EMAIL_WORKER_MAX_JOBS" | default "64" | int -}}
{{ max 1 (div (mul $max (int .Values.autoscaling.targetPercent)) 100) }}
{{- end }}

{{/* Addresses outside of the cluster. */}}
{{- define "email-worker.outside" -}}
{{- $four := list "169.254.0.0/16" -}}
{{- $six := list "fe80::/10" -}}
{{- range .Values.networkPolicy.clusterRanges }}
{{- if contains ":" . }}{{ $six = append $six . }}{{ else }}{{ $four = append $four . }}{{ end }}
{{- end -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except: {{- toYaml $four | nindent 6 }}
- ipBlock:
    cidr: ::/0
    except: {{- toYaml $six | nindent 6 }}
{{- end }}
