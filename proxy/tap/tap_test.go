package tap_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"warder/proxy/tap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func produce() *tap.Exchange {
	acks := int16(-1)
	return &tap.Exchange{
		Time: time.Date(2026, 11, 23, 17, 20, 47, 123456000, time.UTC), Session: 12, Listener: "local",
		Remote: "10.1.2.3:51514", ClientID: "profile-svc", Software: "apache-kafka-java 4.1.0", NodeID: 2,
		API: "Produce", Key: 0, Version: 13, CorrelationID: 9, RequestBytes: 14234, ResponseBytes: 86,
		Latency: 3210 * time.Microsecond, Acks: &acks, Outcome: tap.OutcomeDenied,
		Partitions: []tap.Partition{
			{Topic: "users", Partition: 3, Records: 120, Bytes: 14100, Codec: "lz4", Error: "POLICY_VIOLATION"},
			{Topic: "orders", Partition: 0, Records: 1, Bytes: 80, Codec: "none"},
		},
		Resources: []tap.Resource{{Type: "transactional_id", Name: "txn-1"}, {Type: tap.TypeGroup, Name: "billing"}},
	}
}

func TestNobodyListeningCostsNothing(t *testing.T) {
	var h tap.Hub
	x := produce()
	if n := testing.AllocsPerRun(100, func() {
		if h.Enabled() {
			t.Error("enabled without a subscriber")
		}
		h.Publish(x)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var none *tap.Hub
	if none.Enabled() {
		t.Error("a nil hub is enabled")
	}
}

func TestSlowSubscriberDropsAndCountsAlone(t *testing.T) {
	var h tap.Hub
	slow, err := h.Subscribe(tap.Filter{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	fast, err := h.Subscribe(tap.Filter{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		h.Publish(produce())
	}
	if len(slow.C()) != 2 || slow.Dropped() != 8 {
		t.Errorf("slow: %d queued, %d dropped", len(slow.C()), slow.Dropped())
	}
	if len(fast.C()) != 10 || fast.Dropped() != 0 {
		t.Errorf("fast: %d queued, %d dropped", len(fast.C()), fast.Dropped())
	}
	slow.Close()
	slow.Close()
	if !h.Enabled() {
		t.Error("disabled while one listens")
	}
	h.Close()
	n := 0
	for range fast.C() {
		n++
	}
	if n != 10 || h.Enabled() {
		t.Errorf("after close: %d delivered, enabled %v", n, h.Enabled())
	}
	if _, err := h.Subscribe(tap.Filter{}, 1); !errors.Is(err, tap.ErrClosed) {
		t.Errorf("subscribe after close: %v", err)
	}
}

func TestSubscribersAreBounded(t *testing.T) {
	var h tap.Hub
	defer h.Close()
	for range tap.MaxSubscribers {
		if _, err := h.Subscribe(tap.Filter{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Subscribe(tap.Filter{}, 0); !errors.Is(err, tap.ErrTooMany) {
		t.Errorf("got %v", err)
	}
}

func TestPublishWhileSubscribersComeAndGo(t *testing.T) {
	var h tap.Hub
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				h.Publish(produce())
			}
		})
		wg.Go(func() {
			for range 50 {
				s, err := h.Subscribe(tap.Filter{}, 1)
				if err != nil {
					t.Error(err)
					return
				}
				s.Close()
			}
		})
	}
	wg.Wait()
	if h.Enabled() {
		t.Error("enabled after the last left")
	}
}

func TestFilter(t *testing.T) {
	is := func(want string) func(string) bool { return func(s string) bool { return s == want } }
	for name, tc := range map[string]struct {
		f    tap.Filter
		want bool
	}{
		"empty":              {tap.Filter{}, true},
		"api any case":       {tap.Filter{APIs: []string{"fetch", "PRODUCE"}}, true},
		"api key":            {tap.Filter{APIs: []string{"0"}}, true},
		"other api":          {tap.Filter{APIs: []string{"Fetch", "1"}}, false},
		"second topic":       {tap.Filter{Topic: is("orders")}, true},
		"no such topic":      {tap.Filter{Topic: is("payments")}, false},
		"client":             {tap.Filter{Client: is("profile-svc")}, true},
		"group":              {tap.Filter{Group: is("billing")}, true},
		"no such group":      {tap.Filter{Group: is("txn-1")}, false},
		"client but not api": {tap.Filter{Client: is("profile-svc"), APIs: []string{"Fetch"}}, false},
	} {
		if got := tc.f.Wants(produce()); got != tc.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestPartitionsAreBounded(t *testing.T) {
	x := produce()
	x.Partitions = nil
	for i := range tap.MaxPartitions + 5 {
		x.AddPartition(tap.Partition{Topic: "t", Partition: int32(i)})
	}
	if len(x.Partitions) != tap.MaxPartitions || x.More != 5 {
		t.Errorf("%d listed, %d more", len(x.Partitions), x.More)
	}
}

func TestNamesAreBounded(t *testing.T) {
	x := &tap.Exchange{}
	long := strings.Repeat("é", tap.MaxName)
	for i := range tap.MaxResources + 5 {
		x.AddResource(tap.Resource{Type: "broker", Name: strconv.Itoa(i), Configs: []string{long, "b", "c"}})
		x.AddResource(tap.Resource{Type: "broker", Name: "0"}) // is listed already
	}
	configs := 0
	for _, r := range x.Resources {
		configs += len(r.Configs)
	}
	if len(x.Resources) != tap.MaxResources || x.MoreResources != 5 || configs != tap.MaxConfigs {
		t.Errorf("%d listed, %d more, %d settings", len(x.Resources), x.MoreResources, configs)
	}
	if name := x.Resources[0].Configs[0]; len(name) > tap.MaxName || !utf8.ValidString(name) || !strings.HasSuffix(name, "é…") {
		t.Errorf("cut to %d bytes: %q", len(name), name)
	}
	x.AddResource(tap.Resource{Type: tap.TypeGroup})
	if x.MoreResources != 5 {
		t.Error("no name names something")
	}
}

func TestErrorsStandWithWhatTheyBelongTo(t *testing.T) {
	x := &tap.Exchange{
		Partitions: []tap.Partition{{Topic: "orders", Partition: 0}, {Topic: "orders", Partition: 1}, {Topic: "users", Partition: -1}},
		Resources:  []tap.Resource{{Type: tap.TypeGroup, Name: "billing"}},
	}
	x.Failed("orders", 1, "NOT_LEADER_OR_FOLLOWER")
	x.Failed("users", -1, "UNKNOWN_TOPIC_OR_PARTITION")
	x.Failed("billing", -1, "GROUP_ID_NOT_FOUND")
	got := []string{x.Outcome, x.Partitions[0].Error, x.Partitions[1].Error, x.Partitions[2].Error, x.Resources[0].Error}
	want := []string{"NOT_LEADER_OR_FOLLOWER", "", "NOT_LEADER_OR_FOLLOWER", "UNKNOWN_TOPIC_OR_PARTITION", "GROUP_ID_NOT_FOUND"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLinesAreBounded(t *testing.T) {
	x := &tap.Exchange{MoreResources: 1}
	for i := range 30 {
		x.AddPartition(tap.Partition{Topic: "t", Partition: int32(i)})
		x.AddResource(tap.Resource{Type: tap.TypeGroup, Name: strconv.Itoa(i)})
	}
	line := string((&tap.Formatter{}).Append(nil, x))
	if strings.Count(line, "group=") != 16 || strings.Count(line, "t/") != 16 || !strings.Contains(line, " and 15 more t/0") || !strings.HasSuffix(line, "t/15 and 14 more\n") {
		t.Error(line)
	}
}

func TestJSONForm(t *testing.T) {
	got, err := json.Marshal(produce())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"time":"2026-11-23T17:20:47.123456Z","session":12,"listener":"local","remote":"10.1.2.3:51514",` +
		`"client_id":"profile-svc","software":"apache-kafka-java 4.1.0","node_id":2,"api":"Produce","key":0,"version":13,` +
		`"correlation_id":9,"request_bytes":14234,"response_bytes":86,"latency_ns":3210000,"acks":-1,` +
		`"partitions":[{"topic":"users","partition":3,"records":120,"bytes":14100,"codec":"lz4","error":"POLICY_VIOLATION"},` +
		`{"topic":"orders","partition":0,"records":1,"bytes":80,"codec":"none"}],` +
		`"resources":[{"type":"transactional_id","name":"txn-1"},{"type":"group","name":"billing"}],"outcome":"denied"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	var back tap.Exchange
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(produce(), &back, cmpopts.IgnoreUnexported(tap.Exchange{})); diff != "" {
		t.Error(diff)
	}
}

func TestLine(t *testing.T) {
	var f tap.Formatter
	for want, x := range map[string]*tap.Exchange{
		"17:20:47.123456 profile-svc          #12    node 2    Produce v13              14.2kB/86B        3.2ms    denied acks=all transactional_id=txn-1 group=billing users/3(120 rec 14.1kB lz4 POLICY_VIOLATION) orders/0(1 rec 80B)\n": produce(),
		"00:00:00.000000 -                    #0     bootstrap Metadata v12             0B/0B             -        closed orders and 3 more\n":                                                                                              {NodeID: -1, API: "Metadata", Version: 12, Outcome: "closed", More: 3, Partitions: []tap.Partition{{Topic: "orders", Partition: -1}}},
	} {
		if diff := cmp.Diff(want, string(f.Append(nil, x))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestLineCannotActOnTheTerminal(t *testing.T) {
	x := produce()
	x.ClientID = "evil\x1b[2J\nname\u202e" + strings.Repeat("x", 100)
	x.Partitions[0].Topic = "\x1b]0;title\a\xff"
	line := string((&tap.Formatter{}).Append(nil, x))
	if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\n\a\u202e") || !utf8.ValidString(line) {
		t.Errorf("%q", line)
	}
	if !strings.Contains(line, "evil?[2J?name?xxxxx~ ") {
		t.Errorf("client not shown, or not cut: %q", line)
	}
}

func TestColor(t *testing.T) {
	plain := string((&tap.Formatter{}).Append(nil, produce()))
	colored := string((&tap.Formatter{Color: true}).Append(nil, produce()))
	if !strings.Contains(colored, "\x1b[31mdenied\x1b[0m") {
		t.Errorf("%q", colored)
	}
	for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"} {
		colored = strings.ReplaceAll(colored, code, "")
	}
	if diff := cmp.Diff(plain, colored); diff != "" {
		t.Error(diff)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int]string{0: "0B", 999: "999B", 1000: "1.0kB", 999_949: "999.9kB", 999_950: "1.0MB", 12_345_678: "12.3MB", 5_000_000_000: "5.0GB", 5_000_000_000_000: "5000.0GB"} {
		if got := tap.Size(n); got != want {
			t.Errorf("Size(%d) = %s, want %s", n, got, want)
		}
	}
}
