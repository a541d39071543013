package main

import (
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"warder/test/e2e/clients/godriver"
)

// connect makes a client with the library's defaults but for what the connection and the further options say.
func connect(c *godriver.Conn, more ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(c.Brokers()...), kgo.ClientID(godriver.Or(c.ClientID, "e2e-franz-go"))}
	if c.TLS() {
		config, err := c.TLSConfig()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(config))
	}
	s := &c.Security
	switch s.Mechanism {
	case "PLAIN":
		opts = append(opts, kgo.SASL(plain.Auth{User: s.Username, Pass: s.Password}.AsMechanism()))
	case "SCRAM-SHA-256":
		opts = append(opts, kgo.SASL(scram.Auth{User: s.Username, Pass: s.Password}.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		opts = append(opts, kgo.SASL(scram.Auth{User: s.Username, Pass: s.Password}.AsSha512Mechanism()))
	}
	return kgo.NewClient(append(opts, more...)...)
}

// isolation is the fetch option for the protocol's name of an isolation level.
func isolation(r *godriver.Request) kgo.Opt {
	if r.Isolation == "read_committed" {
		return kgo.FetchIsolationLevel(kgo.ReadCommitted())
	}
	return kgo.FetchIsolationLevel(kgo.ReadUncommitted())
}

// fromKgo is a consumed record as the protocol writes it.
func fromKgo(r *kgo.Record) godriver.Record {
	headers := make([]godriver.Header, 0, len(r.Headers))
	for _, h := range r.Headers {
		headers = append(headers, godriver.Header{Name: h.Key, Value: h.Value})
	}
	return godriver.Record{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Headers: headers, Timestamp: r.Timestamp.UnixMilli(),
	}
}
