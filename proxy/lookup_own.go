package proxy

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"warder/configs"
)

const (
	// maxOwnQuestions bounds the questions under way on warder's own connection.
	maxOwnQuestions = 16
	ownTimeout      = 10 * time.Second
	// refusedPause is how long warder asks in band only after an anonymous question of
	// its own failed: the cluster may want credentials, and its log should not fill with our attempts.
	refusedPause = 5 * time.Minute
)

// ownConnection is the carrier that uses a client of warder's own (franz-go),
// never on the path of traffic.
type ownConnection struct {
	srv         *Server
	credentials bool         // set at construction: upstream.lookup has some
	saslSeen    atomic.Bool  // clients authenticate by SASL, so an anonymous connection would be refused
	refused     atomic.Int64 // when an anonymous question was last turned away, in ns since 1970; 0: never

	client  *kgo.Client
	slots   chan struct{} // one per question under way
	running sync.WaitGroup
	ctx     context.Context //nolint:containedctx // ends with close, to cut questions under way
	cancel  context.CancelFunc
}

func newOwnConnection(s *Server, cfg *configs.Lookup) (*ownConnection, error) {
	o := &ownConnection{srv: s, slots: make(chan struct{}, maxOwnQuestions)}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	opts := []kgo.Opt{
		kgo.SeedBrokers(s.dialer.seeds()...),
		kgo.ClientID("warder"),
		kgo.Dialer(func(ctx context.Context, _, address string) (net.Conn, error) { return s.dialer.dial(ctx, address) }),
		kgo.RetryTimeout(ownTimeout),
	}
	if cfg.LogsIn() {
		mechanism, err := SASLMechanism(cfg.Login())
		if err != nil {
			return nil, err
		}
		o.credentials = true
		opts = append(opts, kgo.SASL(mechanism))
	}
	var err error
	o.client, err = kgo.NewClient(opts...)
	return o, err
}

// SASLMechanism logs warder in. It reads the password anew for every login, so that
// it can be changed in place.
func SASLMechanism(cfg configs.Login) (sasl.Mechanism, error) {
	read := func() (string, error) {
		secret, err := os.ReadFile(string(cfg.PasswordFile))
		return strings.TrimSpace(string(secret)), err
	}
	if _, err := read(); err != nil {
		return nil, err
	}
	scramAuth := func(context.Context) (scram.Auth, error) {
		secret, err := read()
		return scram.Auth{User: cfg.Username, Pass: secret}, err
	}
	switch cfg.Mechanism {
	case "PLAIN":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			secret, err := read()
			return plain.Auth{User: cfg.Username, Pass: secret}, err
		}), nil
	case "SCRAM-SHA-256":
		return scram.Sha256(scramAuth), nil
	}
	return scram.Sha512(scramAuth), nil
}

// usable reports whether the cluster is expected to answer: there are
// credentials, or neither was a client seen to need any nor did the cluster turn
// an anonymous question away.
func (o *ownConnection) usable() bool {
	return o.credentials || !o.saslSeen.Load() && time.Since(time.Unix(0, o.refused.Load())) > refusedPause
}

func (o *ownConnection) carrier() string { return "own" }

// Ask implements Lookup.
func (o *ownConnection) Ask(req kmsg.Request, done func(kmsg.Response, error)) bool {
	select {
	case o.slots <- struct{}{}:
	default:
		return false
	}
	o.running.Go(func() {
		defer func() { <-o.slots }()
		done(o.request(o.ctx, req))
	})
	return true
}

func (o *ownConnection) request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, ownTimeout)
	defer cancel()
	resp, err := o.client.Request(ctx, req)
	if err != nil && !o.credentials {
		o.refused.Store(time.Now().UnixNano())
	}
	return resp, err
}

func (o *ownConnection) close() {
	o.cancel()
	o.running.Wait()
	o.client.Close()
}

// brokers asks for the brokers of the cluster, when warder may ask by itself and has not yet.
func (l *lookups) brokers(ctx context.Context) {
	if !l.own.usable() || len(l.srv.topology.all()) > 0 {
		return
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := l.own.request(ctx, req)
	if err != nil {
		return
	}
	if meta, ok := resp.(*kmsg.MetadataResponse); ok {
		if meta.ClusterID != nil {
			l.srv.topology.learnCluster(*meta.ClusterID)
		}
		for _, b := range meta.Brokers {
			l.srv.learnBroker(b.NodeID, b.Host, b.Port)
		}
	}
}

// run forgets old questions now and then.
func (l *lookups) run(ctx context.Context) {
	tick := time.NewTicker(refusalLifetime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.mu.Lock()
			l.sweepLocked(l.srv.now())
			l.mu.Unlock()
		}
	}
}

func (l *lookups) close() { l.own.close() }
