package configs

// Sinks says where findings go. They are always on the admin interface too.
type Sinks struct {
	// The log.
	Log LogSink `yaml:"log"`
	// A file with one JSON object per line, rotated by size.
	File *FileSink `yaml:"file"`
	// A Kafka topic. Not available in this version: refused when set.
	Kafka *KafkaSink `yaml:"kafka"`
	// An HTTP endpoint. Not available in this version: refused when set.
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

// KafkaSink will write findings to a topic.
type KafkaSink struct {
	// Topic the findings are written to.
	Topic string `yaml:"topic"`
}

// WebhookSink will post findings to an HTTP endpoint.
type WebhookSink struct {
	// Where findings are posted.
	URL string `yaml:"url" secret:"url"`
	// Shape of the body.
	Format string `yaml:"format"`
	// Least severity that is sent.
	MinSeverity string `yaml:"min_severity" enum:"info,warning,critical"`
}
