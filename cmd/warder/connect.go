package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/proxy"
)

// askTimeout bounds the whole of `check --connect`.
const askTimeout = 20 * time.Second

// clusterView is the cluster as clients of warder will see it.
type clusterView struct {
	ID      string       `json:"id"`
	Brokers []brokerView `json:"brokers"`
	// Note says why the brokers are not known although the cluster was reached.
	Note string `json:"note,omitempty"`
}

type brokerView struct {
	NodeID     int32             `json:"node_id"`
	Address    string            `json:"address"` // as the cluster advertises it
	Rack       string            `json:"rack,omitempty"`
	Advertised map[string]string `json:"advertised"` // listener name -> address that its clients are given
}

// askCluster asks the upstream for its brokers.
func askCluster(ctx context.Context, cfg *configs.Config) (*clusterView, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client, err := upstreamClient(cfg)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // brokers only
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		return viewOf(cfg, resp)
	}
	if !cfg.Upstream.Lookup.LogsIn() {
		if mechanisms := saslMechanisms(ctx, client); len(mechanisms) > 0 {
			return &clusterView{Brokers: []brokerView{}, Note: fmt.Sprintf(
				"The brokers answer, and want clients to authenticate (%s). warder passes that through and needs no\n"+
					"credentials of its own, but without them (upstream.lookup) the table cannot be asked for here.",
				strings.Join(mechanisms, ", "))}, nil
		}
	}
	return nil, fmt.Errorf("no broker of upstream.bootstrap could be asked: %w%s", err, hint(cfg, err))
}

// hint names the usual reason for an error.
func hint(cfg *configs.Config, err error) string {
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	switch {
	case authority:
		return "\nSet upstream.tls.ca to the authorities that sign the brokers' certificates"
	case host:
		return "\nThe certificate is made out to another name; use that in upstream.bootstrap, or set upstream.tls.server_name"
	case notTLS, cfg.Upstream.TLS != nil && closed(err) && strings.HasPrefix(err.Error(), "unable to dial"):
		return "\nThe broker does not speak TLS on that port; remove upstream.tls, or use its TLS port"
	case errors.Is(err, kerr.SaslAuthenticationFailed), cfg.Upstream.Lookup.LogsIn() && closed(err):
		return "\nThe brokers refuse the user name, password or mechanism of upstream.lookup"
	case cfg.Upstream.TLS == nil && closed(err):
		return "\nThe broker closed the connection; if that is a TLS port, set upstream.tls"
	default:
		return ""
	}
}

// closed says whether the broker ended the connection without a word.
func closed(err error) bool {
	_, first := errors.AsType[*kgo.ErrFirstReadEOF](err)
	return first || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

// saslMechanisms asks for a mechanism that nobody has: a broker that wants
// authentication answers with those it knows.
func saslMechanisms(ctx context.Context, client *kgo.Client) []string {
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.Version = 1
	req.Mechanism = "NONE"
	// Twice: the broker has just closed a connection, on which the first may still go out.
	for _, seed := range slices.Repeat(client.SeedBrokers(), 2) {
		resp, err := seed.Request(ctx, req)
		if handshake, ok := resp.(*kmsg.SASLHandshakeResponse); err == nil && ok && len(handshake.SupportedMechanisms) > 0 {
			return handshake.SupportedMechanisms
		}
	}
	return nil
}

func upstreamClient(cfg *configs.Config) (*kgo.Client, error) {
	u := cfg.Upstream
	return brokerClient(u.Bootstrap, u.TLS, lookupLogin(u.Lookup), "warder-check",
		kgo.DialTimeout(u.DialTimeout), kgo.RequestRetries(0), kgo.RetryTimeout(askTimeout))
}

// lookupLogin is how warder logs in for itself, nil when it does not.
func lookupLogin(l *configs.Lookup) *configs.Login {
	if !l.LogsIn() {
		return nil
	}
	login := l.Login()
	return &login
}

// brokerClient makes a client of warder's own. It connects when it is first used.
func brokerClient(bootstrap []configs.Address, tls *configs.ClientTLS, login *configs.Login, clientID string, opts ...kgo.Opt) (*kgo.Client, error) {
	seeds := make([]string, len(bootstrap))
	for i, a := range bootstrap {
		seeds[i] = string(a)
	}
	opts = append(opts, kgo.SeedBrokers(seeds...), kgo.ClientID(clientID))
	tlsConfig, err := proxy.UpstreamTLS(tls)
	if err != nil {
		return nil, err
	}
	if tlsConfig != nil {
		opts = append(opts, kgo.DialTLSConfig(tlsConfig))
	}
	if login != nil {
		mechanism, err := proxy.SASLMechanism(*login)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	return kgo.NewClient(opts...)
}

// viewOf says which address clients of each listener will be given.
func viewOf(cfg *configs.Config, resp *kmsg.MetadataResponse) (*clusterView, error) {
	view := &clusterView{Brokers: []brokerView{}}
	if resp.ClusterID != nil {
		view.ID = *resp.ClusterID
	}
	slices.SortFunc(resp.Brokers, func(a, b kmsg.MetadataResponseBroker) int { return cmp.Compare(a.NodeID, b.NodeID) })
	remembered, err := proxy.RememberedPorts(cfg)
	if err != nil {
		return nil, fmt.Errorf("state_file %s: %w", cfg.StateFile, err)
	}
	plans := map[string]*proxy.PortPlan{}
	for _, l := range cfg.Listeners {
		plans[l.Name] = proxy.NewPortPlan(l, remembered[l.Name])
	}
	for _, b := range resp.Brokers {
		broker := brokerView{NodeID: b.NodeID, Address: net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), Advertised: map[string]string{}}
		if b.Rack != nil {
			broker.Rack = *b.Rack
		}
		for name, plan := range plans {
			broker.Advertised[name] = plan.Foretell(b.NodeID)
		}
		view.Brokers = append(view.Brokers, broker)
	}
	return view, nil
}
