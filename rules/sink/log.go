package sink

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"warder/rules"
)

// Log writes findings to the log, one line each, with the names of the finding's
// JSON; the summary is the message. The level follows the severity: info, warn,
// error.
type Log struct{ log zerolog.Logger }

// NewLog makes a sink that writes to l.
func NewLog(l zerolog.Logger) *Log { return &Log{log: l} }

// Name is "log".
func (*Log) Name() string { return "log" }

// Write writes one line.
func (s *Log) Write(f *rules.Finding) error {
	subject, err := json.Marshal(f.Subject)
	if err != nil {
		return fmt.Errorf("finding %s: %w", f.ID, err)
	}
	evidence, err := json.Marshal(f.Evidence)
	if err != nil {
		return fmt.Errorf("finding %s: %w", f.ID, err)
	}
	line := s.log.WithLevel(levelOf(f.Severity)).
		Str("id", f.ID).Str("rule", f.Rule).Stringer("severity", f.Severity).
		Stringer("action", f.Action).Bool("would_block", f.WouldBlock).
		Str("cluster", f.Cluster).RawJSON("subject", subject).RawJSON("evidence", evidence).
		Str("advice", f.Advice).Str("doc", f.Doc).Str("fingerprint", f.Fingerprint).
		Int("count", f.Count).Str("first_time", f.FirstTime.Format(time.RFC3339Nano)).Str("last_time", f.LastTime.Format(time.RFC3339Nano))
	if f.Resolved {
		line.Bool("resolved", true)
	}
	line.Msg(f.Summary)
	return nil
}

// Close does nothing: the log is not the sink's.
func (*Log) Close() error { return nil }

func levelOf(s rules.Severity) zerolog.Level {
	switch {
	case s >= rules.Critical:
		return zerolog.ErrorLevel
	case s == rules.Warning:
		return zerolog.WarnLevel
	}
	return zerolog.InfoLevel
}
