package configs

import "time"

// Sinks says where findings go. They are always on the admin interface too.
type Sinks struct {
	// The log.
	Log LogSink `yaml:"log"`
	// A file with one JSON object per line, rotated by size.
	File *FileSink `yaml:"file"`
	// A Kafka topic, one JSON object a record.
	Kafka *KafkaSink `yaml:"kafka"`
	// An HTTP endpoint: Alertmanager, Slack, or one of your own.
	Webhook *WebhookSink `yaml:"webhook"`
}

// SetDefaults fills every knob that has a default.
func (s *Sinks) SetDefaults() { s.Log.Enabled = true }

// LogSink writes findings to warder's log.
type LogSink struct {
	// Write findings to the log.
	Enabled bool `yaml:"enabled"`
}

// FileSink writes findings to a rotated file.
type FileSink struct {
	// The file. Required.
	Path Path `yaml:"path"`
	// Size at which a new file is begun. 64KiB-1TiB.
	MaxSize Size `yaml:"max_size" min:"64KiB" max:"1TiB"`
	// How many full files are kept besides the current one. 0-10000.
	Keep int `yaml:"keep" min:"0" max:"10000"`
}

// SetDefaults fills every knob that has a default.
func (f *FileSink) SetDefaults() {
	f.MaxSize = 100 * MiB
	f.Keep = 10
}

// KafkaSink writes findings to a topic.
type KafkaSink struct {
	// Topic the findings are written to, keyed by fingerprint. It must be there. Required.
	Topic string `yaml:"topic"`
	// Brokers of another cluster to write to; empty: those of `upstream`, with its `tls` and `lookup`.
	// Never warder itself.
	Bootstrap []Address `yaml:"bootstrap"`
	// Speak TLS to them, where `bootstrap` is given.
	TLS *ClientTLS `yaml:"tls"`
	// Credentials for writing. Default: those of `upstream.lookup`, unless `bootstrap` is given.
	Login *Login `yaml:"login"`
	// Least severity that is written.
	MinSeverity string `yaml:"min_severity" enum:"info,warning,critical"`
}

// SetDefaults fills every knob that has a default.
func (k *KafkaSink) SetDefaults() { k.MinSeverity = "info" }

// WebhookSink posts findings to an HTTP endpoint.
type WebhookSink struct {
	// Where findings are posted, http or https; for Alertmanager with its path, `/api/v2/alerts`. Required.
	URL string `yaml:"url" secret:"url"`
	// Shape of the body: `json` is the finding as it is, `alertmanager` one alert, `slack` a message
	// for Slack and what understands the same.
	Format string `yaml:"format" enum:"json,alertmanager,slack"`
	// Least severity that is sent.
	MinSeverity string `yaml:"min_severity" enum:"info,warning,critical"`
	// File holding the value of the Authorization header, like `Bearer 1234`; surrounding space is
	// cut. It is read for every post.
	AuthorizationFile Path `yaml:"authorization_file"`
	// Longest wait for one answer. 100ms-2m.
	Timeout time.Duration `yaml:"timeout" min:"100ms" max:"2m"`
	// How long a finding that cannot be delivered is tried again before it is given up. 0s-1h.
	RetryFor time.Duration `yaml:"retry_for" min:"0s" max:"1h"`
	// How often an incident that goes on is posted again. 0s posts each time that warder tells of
	// it, about once a minute, as Alertmanager wants it. 0s-7d. Default: 1h for `slack`, else 0s.
	Repeat *time.Duration `yaml:"repeat" min:"0s" max:"7d"`
}

// SetDefaults fills every knob that has a default.
func (w *WebhookSink) SetDefaults() {
	w.Format, w.MinSeverity = "json", "info"
	w.Timeout, w.RetryFor = 10*time.Second, 2*time.Minute
}

// RepeatEvery is Repeat, or its default.
func (w *WebhookSink) RepeatEvery() time.Duration {
	switch {
	case w.Repeat != nil:
		return *w.Repeat
	case w.Format == "slack":
		return time.Hour
	}
	return 0
}
