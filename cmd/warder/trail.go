package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/proxy"
	"warder/proxy/audit"
)

// openAudit opens the audit trail, nil when there is none. A file that cannot be
// written is an error here; brokers may come later.
func openAudit(cfg *configs.Config, metrics *proxy.Metrics, log zerolog.Logger) (*audit.Trail, error) {
	c := cfg.Audit
	if c == nil {
		return nil, nil //nolint:nilnil // off, and no error
	}
	key, err := readKey(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("audit.key_file: %w", err)
	}
	to, err := auditSink(cfg)
	if err != nil {
		return nil, fmt.Errorf("audit.kafka: %w", err)
	}
	trail, err := audit.New(audit.Options{
		Config: c, Key: key, Sink: to, Meter: metrics.Audit(), Log: log, Wait: c.File != nil,
		Begun: audit.Event{Time: time.Now(), Version: thisVersion().Version, Config: cfg.Hash},
	})
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return trail, nil
}

func auditSink(cfg *configs.Config) (audit.Sink, error) {
	if c := cfg.Audit.File; c != nil {
		return audit.NewFile(c), nil
	}
	c := cfg.Audit.Kafka
	client, err := topicClient(cfg.Upstream, c.Bootstrap, c.TLS, c.Login, "warder-audit", audit.KafkaOptions()...)
	if err != nil {
		return nil, err
	}
	return audit.NewKafka(c.Topic, client), nil
}

// readKey reads a key for the chain; "" is no key.
func readKey(file configs.Path) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(string(file))
	if err != nil {
		return nil, err
	}
	if data = bytes.TrimSpace(data); len(data) == 0 {
		return nil, fmt.Errorf("%s is empty", file)
	}
	return data, nil
}

// auditReload tells the trail of a reload.
func (w *instance) auditReload(next *configs.Config, changes []configs.Change, err error) {
	e := audit.Event{Time: time.Now(), Outcome: "ok"}
	for _, c := range changes {
		e.Changed = append(e.Changed, c.Path)
	}
	if next != nil {
		e.Config = next.Hash
	}
	if err != nil {
		e.Outcome, e.Error = "refused", firstOf(err).Error()
	}
	w.audit.Event(audit.Reloaded, &e)
}

// firstOf is the first of several problems: the log has all of them.
func firstOf(err error) error {
	if problems, ok := errors.AsType[configs.Problems](err); ok && len(problems) > 1 {
		return fmt.Errorf("%w, and %d more", problems[0], len(problems)-1)
	}
	return err
}
