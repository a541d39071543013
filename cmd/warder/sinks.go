package main

import (
	"errors"
	"reflect"
	"sync"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/configs"
	"warder/rules"
	"warder/rules/sink"
)

// sinks are the places findings go to, each of which a reload can open, move
// or shut while the engine goes on writing.
type sinks struct {
	log      zerolog.Logger
	upstream configs.Upstream // whose brokers the Kafka sink may write to
	slots    []*slot
}

// slotNames are all sinks there are, in the order of slots.
var slotNames = []string{"log", "file", "kafka", "webhook"}

// openSinks opens what the configuration asks for.
func openSinks(c *configs.Config, log zerolog.Logger) (*sinks, error) {
	s := &sinks{log: log, upstream: c.Upstream}
	for _, name := range slotNames {
		s.slots = append(s.slots, &slot{name: name})
	}
	return s, s.reload(c.Sinks)
}

// all are the sinks for the engine, which closes them.
func (s *sinks) all() []sink.Sink {
	list := make([]sink.Sink, len(s.slots))
	for i, one := range s.slots {
		list[i] = one
	}
	return list
}

// Close closes them when there is no engine to do it.
func (s *sinks) Close() (err error) {
	for _, one := range s.slots {
		err = errors.Join(err, one.Close())
	}
	return err
}

// reload brings the sinks in line with c; on an error they stay as they were. One
// whose knobs have not changed is left alone.
func (s *sinks) reload(c configs.Sinks) error {
	next := make([]sink.Sink, len(s.slots))
	for i, one := range s.slots {
		if one.runs(c) {
			continue
		}
		var err error
		if next[i], err = s.open(one.name, c); err != nil {
			for _, opened := range next[:i] {
				if opened != nil {
					err = errors.Join(err, opened.Close())
				}
			}
			return err
		}
	}
	for i, one := range s.slots {
		if one.runs(c) {
			continue
		}
		if err := one.put(next[i], knobsOf(one.name, c)); err != nil {
			s.log.Warn().Err(err).Str("sink", one.name).Msg("closing where findings went")
		}
	}
	return nil
}

// open opens one sink, nil when it is off.
func (s *sinks) open(name string, c configs.Sinks) (sink.Sink, error) {
	switch {
	case name == "log" && c.Log.Enabled:
		return sink.NewLog(s.log), nil
	case name == "file" && c.File != nil:
		return sink.NewFile(*c.File)
	case name == "kafka" && c.Kafka != nil:
		return s.openKafka(c.Kafka)
	case name == "webhook" && c.Webhook != nil:
		return sink.NewWebhook(*c.Webhook)
	}
	return nil, nil //nolint:nilnil // off, and no error
}

func (s *sinks) openKafka(c *configs.KafkaSink) (sink.Sink, error) {
	client, err := topicClient(s.upstream, c.Bootstrap, c.TLS, c.Login, "warder-findings", sink.KafkaOptions()...)
	if err != nil {
		return nil, err
	}
	return sink.NewKafka(*c, client)
}

// topicClient makes a client that writes for warder itself: to brokers of another
// cluster if they are given, else to those of upstream, never through warder.
func topicClient(u configs.Upstream, bootstrap []configs.Address, tls *configs.ClientTLS, login *configs.Login, clientID string, opts ...kgo.Opt) (*kgo.Client, error) {
	if len(bootstrap) == 0 {
		bootstrap, tls = u.Bootstrap, u.TLS
		if login == nil {
			login = lookupLogin(u.Lookup)
		}
	}
	return brokerClient(bootstrap, tls, login, clientID, opts...)
}

// knobsOf is what a sink was opened with; another value means that it must be opened
// anew.
func knobsOf(name string, c configs.Sinks) any {
	switch name {
	case "log":
		return c.Log
	case "file":
		return c.File
	case "kafka":
		return c.Kafka
	default:
		return c.Webhook
	}
}

// slot is a sink that can be exchanged while findings are written; an empty one
// drops them.
type slot struct {
	name  string
	knobs any // of the last put; used by reload alone

	writing sync.Mutex // held while inner is used, and before mu
	mu      sync.Mutex
	inner   sink.Sink // guarded by mu; nil when switched off
}

// runs says whether the sink runs with these knobs already.
func (s *slot) runs(c configs.Sinks) bool { return reflect.DeepEqual(s.knobs, knobsOf(s.name, c)) }

// Name is the sink's.
func (s *slot) Name() string { return s.name }

func (s *slot) current() sink.Sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inner
}

// Write writes to the sink of the moment.
func (s *slot) Write(f *rules.Finding) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if inner := s.current(); inner != nil {
		return inner.Write(f)
	}
	return nil
}

// Interrupt has a Write under way end soon, for a sink that can.
func (s *slot) Interrupt() {
	if inner := s.current(); inner != nil {
		sink.Interrupt(inner)
	}
}

// Close closes the sink of the moment.
func (s *slot) Close() error { return s.put(nil, nil) }

// put exchanges the sink and closes the old one, which is not waited for longer
// than it needs for one attempt.
func (s *slot) put(next sink.Sink, knobs any) error {
	s.Interrupt()
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	old := s.inner
	s.inner, s.knobs = next, knobs
	s.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.Close()
}
