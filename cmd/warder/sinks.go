package main

import (
	"errors"
	"sync"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/rules"
	"warder/rules/sink"
)

// sinks are the places findings go to, each of which a reload can open, move
// or shut while the engine goes on writing.
type sinks struct {
	log       zerolog.Logger
	logs      *slot
	file      *slot
	fileKnobs configs.FileSink // of the open file; reopened only when they change
}

// openSinks opens what the configuration asks for.
func openSinks(c configs.Sinks, log zerolog.Logger) (*sinks, error) {
	s := &sinks{log: log, logs: &slot{name: "log"}, file: &slot{name: "file"}}
	return s, s.reload(c)
}

// all are the sinks for the engine, which closes them.
func (s *sinks) all() []sink.Sink { return []sink.Sink{s.logs, s.file} }

// Close closes them when there is no engine to do it.
func (s *sinks) Close() error { return errors.Join(s.logs.Close(), s.file.Close()) }

// reload brings the sinks in line with c; on an error they stay as they were.
func (s *sinks) reload(c configs.Sinks) error {
	var knobs configs.FileSink
	if c.File != nil {
		knobs = *c.File
	}
	if knobs != s.fileKnobs {
		var file sink.Sink
		if c.File != nil {
			var err error
			if file, err = sink.NewFile(knobs); err != nil {
				return err
			}
		}
		if err := s.file.put(file); err != nil {
			s.log.Warn().Err(err).Msg("closing the file of findings")
		}
		s.fileKnobs = knobs
	}
	var logs sink.Sink
	if c.Log.Enabled {
		logs = sink.NewLog(s.log)
	}
	return s.logs.put(logs)
}

// slot is a sink that can be exchanged while findings are written; an empty one
// drops them.
type slot struct {
	name string

	mu    sync.Mutex
	inner sink.Sink // guarded by mu; nil when switched off
}

func (s *slot) Name() string { return s.name }

func (s *slot) Write(f *rules.Finding) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inner == nil {
		return nil
	}
	return s.inner.Write(f)
}

func (s *slot) Close() error { return s.put(nil) }

// put exchanges the sink and closes the old one.
func (s *slot) put(next sink.Sink) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.inner
	s.inner = next
	if old == nil {
		return nil
	}
	return old.Close()
}
