// Package embedded runs a Kafka-compatible cluster inside the process, for `warder demo`, `exec --embedded` and tests.
//
// The cluster is franz-go's kfake, bound to loopback, with two remedies that this package owns: a guard in front of
// every connection that ends it before kfake can see a request it would panic on (see guard.go), and a version
// ceiling that keeps kfake from offering two APIs whose answers the Java Admin client cannot read.
// It is no substitute for a broker: nothing is replicated and nothing survives [Cluster.Close].
package embedded

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Topic is one topic to create at start.
type Topic struct {
	Name       string
	Partitions int32             // 1 or more
	Configs    map[string]string // topic configuration such as cleanup.policy; nil for the defaults
}

// Options say what to start. The zero value is one broker without topics on a random port.
type Options struct {
	Brokers int               // number of brokers, node ids from 0; 0 means 1
	Topics  []Topic           // created before Start returns
	Config  map[string]string // of the brokers, such as group.min.session.timeout.ms; nil for the defaults
	// AutoCreateTopics creates a topic when a client asks for it, as brokers do by default.
	AutoCreateTopics bool
	TLS              *tls.Config // served on every broker when set; not kfake.TLS, which would hide the frames from the guard
	Kfake            []kfake.Opt // further options, applied last: ListenFn and MaxVersions given here undo the remedies
	Client           []kgo.Opt   // how the client that creates Topics connects, where TLS or SASL is asked for
}

// Cluster is a running embedded cluster. The embedded kfake.Cluster gives access to Compact, MoveTopicPartition,
// AddNode, ControlKey and the rest.
type Cluster struct {
	*kfake.Cluster
	guard guard
}

// Start starts the cluster and creates its topics. The context bounds only the start.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{guard: guard{tls: o.TLS}}
	opts := append([]kfake.Opt{
		kfake.NumBrokers(max(o.Brokers, 1)),
		kfake.ListenFn(c.guard.listen),
		kfake.MaxVersions(versionCeiling()),
		kfake.ClusterID("warder-embedded"),
		kfake.BrokerConfigs(o.Config),
	}, o.Kfake...)
	if o.AutoCreateTopics {
		opts = append(opts, kfake.AllowAutoTopicCreation())
	}
	var err error
	if c.Cluster, err = kfake.NewCluster(opts...); err != nil {
		return nil, fmt.Errorf("start embedded cluster: %w", err)
	}
	if err := c.create(ctx, o); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Refused counts the connections that the guard has ended since the start.
func (c *Cluster) Refused() int64 { return c.guard.refused.Load() }

// versionCeiling is what a broker of today supports, less two APIs that kfake gets wrong: DescribeTopicPartitions
// (75) answers null replica lists, and CreateTopics (19) from version 5 answers config source -1; the Java Admin
// client throws on both.
func versionCeiling() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(75, -1)
	v.SetMaxKeyVersion(19, 4)
	return v
}

func (c *Cluster) create(ctx context.Context, o Options) error {
	if len(o.Topics) == 0 {
		return nil
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, o.Client...)...)
	if err != nil {
		return fmt.Errorf("create embedded topics: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for _, t := range o.Topics {
		configs := make(map[string]*string, len(t.Configs))
		for k, v := range t.Configs {
			configs[k] = &v
		}
		if _, err := adm.CreateTopic(ctx, t.Partitions, 1, configs, t.Name); err != nil {
			return fmt.Errorf("create embedded topic %s: %w", t.Name, err)
		}
	}
	return nil
}

// Bootstrap is the list of broker addresses, host:port with commas.
func (c *Cluster) Bootstrap() string {
	addrs := slices.Clone(c.ListenAddrs())
	slices.Sort(addrs)
	return strings.Join(addrs, ",")
}

// loopback refuses any address but a loopback one: the embedded cluster has no authentication to speak of.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("embedded cluster binds loopback only, not %s", address)
	}
	return nil
}
