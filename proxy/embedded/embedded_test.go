package embedded_test

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"warder/proxy/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o embedded.Options) (*embedded.Cluster, *kgo.Client) {
	t.Helper()
	c, err := embedded.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.Bootstrap(), ",")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return c, cl
}

func TestStartCreatesTopicsWithTheirConfiguration(t *testing.T) {
	_, cl := start(t, embedded.Options{Brokers: 3, Topics: []embedded.Topic{
		{Name: "orders", Partitions: 6},
		{Name: "users", Partitions: 2, Configs: map[string]string{"cleanup.policy": "compact"}},
	}})
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(topics["orders"].Partitions); n != 6 {
		t.Errorf("orders has %d partitions", n)
	}
	brokers, err := adm.ListBrokers(t.Context())
	if err != nil || len(brokers) != 3 {
		t.Errorf("brokers: %v, %v", brokers, err)
	}
	configs, err := adm.DescribeTopicConfigs(t.Context(), "users")
	if err != nil {
		t.Fatal(err)
	}
	rc, err := configs.On("users", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rc.Configs {
		if c.Key == "cleanup.policy" && c.MaybeValue() == "compact" {
			return
		}
	}
	t.Error("users is not compacted")
}

func TestStartFailsCleanly(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := embedded.Start(ctx, embedded.Options{Topics: []embedded.Topic{{Name: "twice", Partitions: 1}, {Name: "twice", Partitions: 1}}})
	if err == nil || !strings.Contains(err.Error(), "topic twice: TOPIC_ALREADY_EXISTS") {
		t.Errorf("got %v", err)
	}
}

// Without the guard kfake panics here and takes the test binary with it.
func TestUnknownKeyEndsOnlyItsConnection(t *testing.T) {
	c, cl := start(t, embedded.Options{})
	conn, err := net.Dial("tcp", c.Bootstrap())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	req := binary.BigEndian.AppendUint32(nil, 10)
	req = binary.BigEndian.AppendUint16(req, 500)
	if _, err := conn.Write(append(req, make([]byte, 8)...)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("got %d bytes, %v, want the connection ended", n, err)
	}
	if c.Refused() != 1 {
		t.Errorf("refused %d connections", c.Refused())
	}
	if err := cl.Ping(t.Context()); err != nil {
		t.Errorf("the cluster did not survive: %v", err)
	}
}

func TestVersionCeiling(t *testing.T) {
	_, cl := start(t, embedded.Options{})
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range resp.ApiKeys {
		if k.ApiKey == 75 || k.ApiKey == 19 && k.MaxVersion != 4 {
			t.Errorf("offers key %d up to %d", k.ApiKey, k.MaxVersion)
		}
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	c, _ := start(t, embedded.Options{Brokers: 2, Kfake: []kfake.Opt{kfake.ClusterID("mine")}})
	for addr := range strings.SplitSeq(c.Bootstrap(), ",") {
		host, _, err := net.SplitHostPort(addr)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("listens on %s", addr)
		}
	}
}
