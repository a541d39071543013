package main

import (
	"warder/configs"
	"warder/protocol/records"
	"warder/record"
	"warder/record/scrub"
	"warder/rules/sink"
)

// startRecorder begins to record if that is configured.
func (w *instance) startRecorder(cfg *configs.Config) {
	c := cfg.Record
	if c == nil {
		return
	}
	payload, _ := scrub.ParsePayload(c.Payload) // one of those that there are
	w.recorder = record.New(record.Options{
		Dir: string(c.Dir), Payload: payload, MaxSize: int64(c.MaxSize), All: c.All(), Flight: int(c.Flight),
		Limits:  records.Limits{MaxDecompressed: int(cfg.Inspect.MaxDecompressed), MaxRatio: cfg.Inspect.MaxRatio},
		Version: thisVersion().Version, Cluster: cfg.Upstream.Name, Topics: w.topics.Follow, Counts: w.metrics.Recording(), Log: w.log,
	})
	w.log.Info().Str("dir", string(c.Dir)).Str("mode", c.Mode).Str("payload", c.Payload).Msg("recording")
}

// allSinks are the sinks for the engine, and the recorder, which findings are recorded by.
func (w *instance) allSinks() []sink.Sink {
	all := w.sinks.all()
	if w.recorder != nil {
		all = append(all, recorderSink{w.recorder})
	}
	return all
}

// recorderSink is a recorder as a sink: it ends later than the others.
type recorderSink struct{ *record.Recorder }

// Close has nothing to close.
func (recorderSink) Close() error { return nil }
