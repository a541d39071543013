package main

import (
	"crypto/sha256"
	"crypto/sha512"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"warder/test/e2e/clients/godriver"
)

// configure is the library's default configuration but for what the connection says.
func configure(c *godriver.Conn) (*sarama.Config, error) {
	config := sarama.NewConfig()
	config.ClientID = godriver.Or(c.ClientID, "e2e-sarama")
	if c.TLS() {
		tls, err := c.TLSConfig()
		if err != nil {
			return nil, err
		}
		config.Net.TLS.Enable, config.Net.TLS.Config = true, tls
	}
	if c.SASL() {
		s := &c.Security
		config.Net.SASL.Enable = true
		config.Net.SASL.Mechanism = sarama.SASLMechanism(s.Mechanism)
		config.Net.SASL.User, config.Net.SASL.Password = s.Username, s.Password
		config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: hashes[s.Mechanism]} }
	}
	return config, nil
}

var hashes = map[string]scram.HashGeneratorFcn{sarama.SASLTypeSCRAMSHA256: sha256.New, sarama.SASLTypeSCRAMSHA512: sha512.New}

// scramClient is the SCRAM conversation, which sarama leaves to the application.
type scramClient struct {
	hash         scram.HashGeneratorFcn
	conversation *scram.ClientConversation
}

func (s *scramClient) Begin(user, password, authzID string) error {
	client, err := s.hash.NewClient(user, password, authzID)
	if err == nil {
		s.conversation = client.NewConversation()
	}
	return err
}

func (s *scramClient) Step(challenge string) (string, error) { return s.conversation.Step(challenge) }
func (s *scramClient) Done() bool                            { return s.conversation.Done() }

func isolation(r *godriver.Request) sarama.IsolationLevel {
	if r.Isolation == "read_committed" {
		return sarama.ReadCommitted
	}
	return sarama.ReadUncommitted
}

// fromSarama is a consumed record as the protocol writes it.
func fromSarama(m *sarama.ConsumerMessage) godriver.Record {
	headers := make([]godriver.Header, 0, len(m.Headers))
	for _, h := range m.Headers {
		headers = append(headers, godriver.Header{Name: string(h.Key), Value: h.Value})
	}
	return godriver.Record{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: m.Key, Value: m.Value, Headers: headers, Timestamp: m.Timestamp.UnixMilli(),
	}
}
