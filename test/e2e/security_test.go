package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"warder/test/e2e/driver"
	"warder/test/e2e/kafka"
)

// secure builds a connection's security.
func secure(protocol, mechanism string, withCert bool) M {
	sec := M{"protocol": protocol}
	if mechanism != "" {
		sec["mechanism"], sec["username"], sec["password"] = mechanism, kafka.User, kafka.Password
	}
	if protocol == "SSL" || protocol == "SASL_SSL" {
		sec["ca"] = w.certs.CA
	}
	if withCert {
		sec["cert"], sec["key"] = w.certs.ClientCert, w.certs.ClientKey
	}
	return sec
}

// secureCase is one way of being secure towards the client, and between warder and the brokers.
type secureCase struct {
	name     string
	needs    []string
	security func() M
	direct   kafka.Listener // the broker listener of the same kind
	upstream kafka.Listener // what warder dials
	listener string         // warder's TLS: "", tls, mtls
}

var secureCases = []secureCase{
	{"sasl-plain", []string{"sasl:PLAIN"}, func() M { return secure("SASL_PLAINTEXT", "PLAIN", false) }, kafka.SASL, kafka.SASL, ""},
	{"sasl-scram256", []string{"sasl:SCRAM-SHA-256"}, func() M { return secure("SASL_PLAINTEXT", "SCRAM-SHA-256", false) }, kafka.SASL, kafka.SASL, ""},
	{"sasl-scram512", []string{"sasl:SCRAM-SHA-512"}, func() M { return secure("SASL_PLAINTEXT", "SCRAM-SHA-512", false) }, kafka.SASL, kafka.SASL, ""},
	{"tls", []string{"tls"}, func() M { return secure("SSL", "", false) }, kafka.TLS, kafka.TLS, "tls"},
	{"mtls", []string{"mtls"}, func() M { return secure("SSL", "", true) }, kafka.MTLS, kafka.MTLS, "mtls"},
	{"tls-to-plaintext", []string{"tls"}, func() M { return secure("SSL", "", false) }, kafka.TLS, kafka.Plaintext, "tls"},
	{"plaintext-to-mtls", nil, func() M { return secure("PLAINTEXT", "", false) }, kafka.Plaintext, kafka.MTLS, ""},
	{"sasl-tls", []string{"sasl:SCRAM-SHA-512", "tls"}, func() M { return secure("SASL_SSL", "SCRAM-SHA-512", false) }, kafka.SASLTLS, kafka.SASLTLS, "tls"},
}

func TestSecurity(t *testing.T) {
	for _, c := range secureCases {
		runScenario(t, scenario{name: c.name, needs: c.needs,
			direct: func() M { return M{"bootstrap": w.three.Bootstrap(c.direct), "security": c.security()} },
			warder: func(ctx context.Context) (M, error) {
				addr, err := secureAddr(ctx, c.upstream, c.listener)
				return M{"bootstrap": addr, "security": c.security()}, err
			},
			run: func(s *side) any { return secured(s, c) }})
	}
}

// secureAddr is the address of a warder with that upstream, on its listener of that kind.
func secureAddr(ctx context.Context, upstream kafka.Listener, listener string) (string, error) {
	names := map[kafka.Listener]string{kafka.Plaintext: "to-plaintext", kafka.TLS: "to-tls", kafka.MTLS: "to-mtls", kafka.SASL: "to-sasl", kafka.SASLTLS: "to-sasltls"}
	p, err := startWarder(ctx, names[upstream], proxySpec{
		cluster: w.three, upstream: upstream, listeners: []listenerSpec{{name: "plain"}, {name: "tls", tls: "tls"}, {name: "mtls", tls: "mtls"}},
	})
	if err != nil {
		return "", err
	}
	if listener == "" {
		listener = "plain"
	}
	return p.addr[listener], nil
}

// secured makes a round trip, and is refused with a wrong password or without the certificate.
func secured(s *side, c secureCase) any {
	topic := s.create(s.topic("t"), 2, 3, nil)
	g := gen{Count: 60, Size: 80, Partitions: 2, TS: day, Flavour: "mixed"}
	p := s.producer(nil)
	s.generate(p, topic, g, nil)
	s.closeProducer(p)
	s.holds(topic, nil, g)
	s.must("delete_topic", M{"name": topic}, nil)
	bad := c.security()
	switch {
	case bad["mechanism"] != nil:
		bad["password"] = "wrong"
	case bad["cert"] != nil:
		delete(bad, "cert")
		delete(bad, "key")
	default:
		return "round trip"
	}
	return M{"refused": refused(s, bad)}
}

// refused tries to list topics with bad credentials. Libraries differ in how they say no, and some time out over it: what counts is that
// nothing is listed.
func refused(s *side, bad M) bool {
	ctx, cancel := context.WithTimeout(s.ctx, 70*time.Second)
	defer cancel()
	err := s.d.Call(ctx, "list_topics", M{"timeout_ms": 6000, "conn": M{"bootstrap": s.conn["bootstrap"], "client_id": s.conn["client_id"], "security": bad}}, nil)
	if _, said := errors.AsType[*driver.Error](err); !said {
		s.fail("bad credentials were answered with %v", err)
	}
	return true
}
