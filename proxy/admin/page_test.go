package admin_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"warder/proxy"
	"warder/proxy/admin"
	"warder/rules"
	"warder/rules/sink"
	"warder/rules/state"
)

// pagePaths are all views of a source whose things have that name.
func pagePaths(name string) []string {
	escaped := fmt.Sprintf("%x", name)
	escaped = regexp.MustCompile("..").ReplaceAllString(escaped, "%$0")
	return []string{
		"/", "/findings", "/findings?open=1", "/findings/01F", "/groups", "/groups/" + escaped, "/topics", "/topics/" + escaped,
		"/clients", "/brokers", "/config", "/rules", "/rules/tombstone", "/docs/ci.md",
	}
}

// named is a source in which everything has that name, except that what the operator writes is no longer than he would.
func named(name string) admin.Source {
	src := source()
	ours := name[:min(len(name), 100)]
	waits := int64(42_000)
	f := tombstone()
	f.Rule, f.Summary, f.Advice = "stuck-partition", name+" stands still: "+name, "stop "+name
	f.Subject = rules.Subject{Topic: name, Group: name, ClientID: name, Member: name, Principal: name, Partition: new(int32(1)), TransactionalID: name, Software: name, Remote: name}
	f.Evidence = rules.Evidence{{Name: name, Value: name}, {Name: "lag_ms", Value: waits}, {Name: "causes", Value: []string{name}}}
	src.Findings = ring(f)
	src.Info = func() admin.Info {
		return admin.Info{Version: "1.2.3", Cluster: ours, ClusterID: name, Configuration: ours, Started: noon.Add(-time.Hour), LoadedAt: noon, Connections: 1, Brokers: 3}
	}
	src.Ready = func() []admin.Check {
		return []admin.Check{{Name: "upstream", Status: admin.StatusDegraded, Detail: name}}
	}
	client := state.ClientView{ClientID: name, Principal: name, Remote: name, Software: name}
	took := int64(300)
	g := state.GroupView{
		ID: name, Protocol: "classic", Assignor: name, Since: noon.Add(-time.Hour), Learning: true, EventsLost: noon, Topics: []string{name},
		Members: []state.MemberView{{
			ID: name, InstanceID: name, Client: client, Joined: noon, Health: "silent", Silent: 30_000, SessionTimeout: 45_000, Unpolled: &waits, MaxPollInterval: 300_000, Behind: 17, Status: []string{name},
			Assigned: []state.TopicPartitionsView{{Topic: name, Partitions: []int32{0, 1}}},
		}},
		Partitions: []state.PartitionView{
			{Topic: name, Partition: 0, Lag: new(int64(0)), Advanced: noon},
			{Topic: name, Partition: 1, Lag: new(int64(698_000)), TimeLag: &waits, Committed: new(int64(17)), End: new(int64(698_017)), Owner: name},
			{Topic: name, Partition: 2},
		},
		Rebalances: []state.RebalanceView{
			{Generation: 3, Start: noon.Add(-time.Minute), Duration: &took, Cause: "poll-timeout", Who: &client, Reason: name, Stopped: 300, StoppedMembers: 2},
			{Generation: 4, Start: noon.Add(-time.Second), Cause: "member-joined"},
		},
	}
	src.Groups = func() state.GroupList {
		return state.GroupList{Groups: []state.GroupLine{{ID: name, Protocol: "classic", Members: 1, Partitions: 3, Lag: 698_000, Worst: &state.WorstPartition{Topic: name, Partition: 1, Lag: 698_000, TimeLag: &waits}, LastRebalance: &g.Rebalances[1]}}, Note: ours}
	}
	src.Group = func(id string) (state.GroupView, bool, error) { return g, id == name, nil }
	topic := topicNamed(name)
	src.Topics = func() state.TopicList {
		return state.TopicList{Topics: []state.TopicLine{topic.TopicLine}, Untold: []rules.Untold{{What: "formats", Rule: "format-drift", Why: "the rule is off"}}}
	}
	src.Topic = func(n string) (state.TopicView, bool) { return topic, n == name }
	src.Clients = func() []admin.Client {
		c := admin.Client{ClientInfo: proxy.ClientInfo{ClientID: name, SoftwareName: name, SoftwareVersion: name, Principal: name, Remote: name, Listener: ours, Broker: "b:1", Opened: noon, Requests: 1}}
		c.APIVersions = []proxy.APIVersions{{Key: 0, API: "Produce", Lowest: 9, Highest: 11}}
		c.Groups = []proxy.MembershipInfo{{Group: name, MemberID: name}}
		c.Produces = &proxy.ProducerInfo{Acks: -1, TransactionalID: name, IntervalMs: new(40.0), Batches: &proxy.BatchesInfo{Compression: []string{"lz4"}, Bytes: 4096, Records: 23}}
		c.Fetches = &proxy.ConsumerInfo{MinBytes: 1, MaxBytes: 52_428_800, MaxWaitMs: 500, IsolationLevel: "read_committed", Rack: name, Partitions: 6}
		return []admin.Client{c, c}
	}
	src.Brokers = func() []proxy.BrokerView {
		return []proxy.BrokerView{{BrokerInfo: proxy.BrokerInfo{NodeID: 1, Address: "b:1", LastSeen: noon}, Advertised: map[string]string{ours: ours}, Connections: map[string]int{ours: 4}}}
	}
	src.Listeners = func() []proxy.ListenerView {
		return []proxy.ListenerView{{Name: ours, Address: "127.0.0.1:9092", Advertise: ours, TLS: true, ClientAuth: "require", CertificateExpires: noon, Ports: "9093-9192", Unmapped: []int32{7}, Limits: proxy.ListenerLimits{Connections: 100}, Used: proxy.ListenerUsed{Connections: 42}}}
	}
	src.Config = func() map[string]any { return map[string]any{"upstream": map[string]any{"name": ours}} }
	src.Rules = func() []admin.Rule {
		return []admin.Rule{{ID: "tombstone", Summary: ours, Action: "alert", CanBlock: true}}
	}
	src.Page = func(path string) (string, bool) {
		return "# tombstone\n\n" + ours, path == "rules/tombstone.md" || path == "ci.md"
	}
	return src
}

func topicNamed(name string) state.TopicView {
	t := rules.Topic{Name: name, Partitions: 3, Cleanup: rules.CleanupCompact | rules.CleanupDelete, ConfigTime: noon, Settings: rules.TopicSettings{Known: true, RetentionMs: 604_800_000, MinInsync: 2}}
	v := state.TopicView{TopicLine: state.TopicLine{
		Topic: t, Written: &state.Pace{RecordsPerSecond: 12.3, BatchesPerSecond: .05, BytesPerSecond: 4200, Since: noon, Last: noon},
		Log: &state.LogPace{RecordsPerSecond: 100, Known: 3, Largest: &state.LargestPartition{Partition: 2, Share: .9, TimesFair: 2.7}},
	}}
	v.Logs = []state.PartitionPace{{Partition: 2, End: 4711, RecordsPerSecond: 90, Share: .9}}
	v.Tombstones = &rules.TombstonesTold{PerMinute: 80, Share: .5, WindowMs: 60_000, UsualPerMinute: new(3.0), Spike: true}
	v.HotPartitions = []rules.HotPartitionTold{{Partition: 2, By: "records", Windows: 4}}
	v.Formats = &rules.FormatsTold{
		Values:  rules.FormatTold{Samples: 27, Seen: []rules.FormatShare{{Format: "confluent", Share: .89}, {Format: "json", Share: .11}}},
		Keys:    rules.FormatTold{Samples: 27, Usual: "text", Seen: []rules.FormatShare{{Format: "text", Share: 1}}},
		Clients: []rules.FormatClient{{Client: name, Software: name, Last: noon, Values: "json"}},
	}
	return v
}

// Names come from whoever connects. Whatever they are, they stay text, and pages stay whole.
func TestPagesOfHostileNames(t *testing.T) {
	for label, name := range map[string]string{
		"plain":            "billing",
		"script":           `<script>alert(1)</script>`,
		"attribute":        `" onmouseover="alert(1)" x='`,
		"template":         `{{.}}`,
		"address":          "javascript:alert(1)//",
		"64 KB":            strings.Repeat("<b>&", 16<<10),
		"no UTF-8":         "\xff\xfe\x80a",
		"control":          "a\x00\x1b[31m\r\nb",
		"right to left":    "a\u202eb\u2066c",
		"slashes and dots": "../../a//b?c=d#e",
		"dots":             "..",
	} {
		t.Run(label, func(t *testing.T) {
			base := serve(t, admin.Options{Source: named(name), Now: func() time.Time { return noon }})
			for _, path := range pagePaths(name) {
				if len(path) > 8000 { // no browser can ask for it, and no page links to it
					continue
				}
				a := get(t, base+path)
				if a.status != 200 && label != "dots" {
					t.Errorf("%.80s: %d", path, a.status)
				}
				wellFormed(t, path, a.body)
				if strings.ContainsAny(a.body, "\x00\x1b\u202e\u2066") {
					t.Errorf("%.80s shows characters that nobody sees", path)
				}
				if len(a.body) > 400<<10 {
					t.Errorf("%.80s has %d bytes", path, len(a.body))
				}
			}
		})
	}
}

var (
	tagPattern  = regexp.MustCompile(`<(/?)([a-zA-Z0-9]+)((?:\s+[a-zA-Z0-9-]+(?:="[^"]*")?)*)\s*>`)
	linkPattern = regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)
	void        = []string{"meta", "link", "input", "option", "br"}
)

// wellFormed fails when a tag is not closed, something stands in the page that no template has put there, or a link leaves it.
func wellFormed(t *testing.T, path, page string) {
	t.Helper()
	page = strings.TrimPrefix(page, "<!doctype html>")
	var open []string
	rest := page
	for _, at := range tagPattern.FindAllStringSubmatchIndex(page, -1) {
		end, name, attributes := page[at[2]:at[3]], page[at[4]:at[5]], page[at[6]:at[7]]
		rest = strings.Replace(rest, page[at[0]:at[1]], "", 1)
		if strings.Contains(attributes, " on") && regexp.MustCompile(`\son[a-z]+=`).MatchString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(attributes, "")) || strings.Contains(attributes, " style=") {
			t.Errorf("%.80s: <%s%s>", path, name, attributes)
		}
		switch {
		case slices.Contains(void, name):
		case end == "":
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("%.80s: </%s> closes %v", path, name, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%.80s: open at the end: %v", path, open)
	}
	if strings.ContainsAny(rest, "<>") && !strings.Contains(rest, "<option") {
		i := strings.IndexAny(rest, "<>")
		t.Errorf("%.80s: a bracket that is no tag: %.60q", path, rest[max(i-20, 0):])
	}
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("%.80s: %d scripts, want ours alone", path, n)
	}
	for _, m := range linkPattern.FindAllStringSubmatch(page, -1) {
		if target := html.UnescapeString(m[1]); target != "#main" && !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") {
			t.Errorf("%.80s: a link to %.80q", path, target)
		}
	}
}

// Nothing has been seen yet, or there is no such source at all.
func TestPagesOfNothing(t *testing.T) {
	empty := admin.Source{
		Findings: sink.NewRing(0),
		Clients:  func() []admin.Client { return nil }, Brokers: func() []proxy.BrokerView { return nil },
		Listeners: func() []proxy.ListenerView { return []proxy.ListenerView{{}} },
		Topics:    func() state.TopicList { return state.TopicList{} }, Topic: func(name string) (state.TopicView, bool) { return state.TopicView{}, name == "g" },
		Groups: func() state.GroupList { return state.GroupList{} },
		Group:  func(id string) (state.GroupView, bool, error) { return state.GroupView{ID: id}, id == "g", nil },
		Config: func() map[string]any { return nil }, Rules: func() []admin.Rule { return nil },
		Page: func(string) (string, bool) { return "", false },
	}
	for name, src := range map[string]admin.Source{"empty": empty, "absent": {}} {
		base := serve(t, admin.Options{Source: src, Now: func() time.Time { return noon }})
		for _, path := range append(pagePaths("g"), "/nowhere", "/groups/other") {
			a := get(t, base+path, header("Accept", "text/html"))
			if a.status != 200 && a.status != 404 {
				t.Errorf("%s %s: %d", name, path, a.status)
			}
			wellFormed(t, path, a.body)
		}
		if a := get(t, base+"/"); !strings.Contains(a.body, "Healthy: nothing wrong") {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}

func TestPagesShowWhatThereIs(t *testing.T) {
	base := serve(t, admin.Options{Source: named("billing"), Now: func() time.Time { return noon.Add(42 * time.Second) }})
	for path, wants := range map[string][]string{
		"/": {
			`<title>(1) Overview – warder billing</title>`, `billing stands still.`, `href="/findings/01F"`, `aria-current="page"`,
			`1 stuck</b> 698,000 records behind, the next has waited for about 42 s`, `stop billing`, `up for`, `degraded`, `href="#main"`,
		},
		"/findings": {
			`<option>tombstone</option>`, `name="client_id"`, `critical`, `42 s ago`, `2026-11-23 12:00:00 UTC`, `href="/rules/stuck-partition"`, `href="/groups/billing"`,
			`href="/topics/billing"`, `href="/findings?client_id=billing"`, `<dt>lag_ms</dt><dd>42000 (42 s)</dd>`, `<li>billing</li>`,
			`{rule: stuck-partition, topic: &#34;billing&#34;, client_id: &#34;billing&#34;, principal: &#34;billing&#34;, group: &#34;billing&#34;, until: 2027-02-23`, `data-copy="s-01F"`, `2 times since`,
		},
		"/findings/01F":    {`<details open>`, `warder explain 01F`},
		"/groups":          {`billing`, `698,000`, `-1: 698,000, 42 s`, `now, member-joined`, `stuck-partition`},
		"/groups/billing":  {`heat2 marked`, `partition 1: stuck, 698,000 records behind`, `partition 2: lag not known`, `silent</span>`, `30 s of 45 s`, `42 s of 5 min`, `class="cause-poll-timeout"`, `poll-timeout of billing, took 300 ms`, `goes on`, `warder explain group billing`},
		"/topics":          {`compact,delete`, `7 d`, `stuck-partition`, `confluent 89 %, json 11 %`, `partition 2: 90 %, 2.7 × its share`, `spike</span> 80/min`, `100/s`, `Nobody tells formats`},
		"/topics/billing":  {`compact,delete`, `What is wrong`, `12 records/s, 4.1 KiB/s, 3 batches/min`, `27 samples`, `2 hot</b> by records`, `ends at 4,711`, `usual are 3`, `spike`},
		"/clients":         {`billing billing`, `stuck-partition`, `acks=all, transactional.id=billing, not idempotent, compression lz4<br>`, `50 requests/s, 23 records in 4.0 KiB a batch`, `12 partitions`, `fetch.min.bytes=1, fetch.max.bytes=52,428,800, fetch.max.wait.ms=500, read_committed, client.rack=billing`, `Produce 9–11`, `2 connections, 2 requests`, `stop billing`},
		"/brokers":         {`b:1`, `listener billing, 4 connections`, `9093-9192`, `client certificates: require`, `42 of 100`, `clients do not see them`},
		"/config":          {`upstream:`, `name: billing`, `POST /api/v1/reload`, `/api/v1/findings/stream`},
		"/rules":           {`href="/rules/tombstone"`, `can block`},
		"/rules/tombstone": {`<h1 id="tombstone">tombstone</h1>`, `action <b>alert</b>`},
	} {
		a := get(t, base+path)
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
		for _, want := range wants {
			if path == "/groups" && strings.HasPrefix(want, "now") {
				want = "43 s ago"
			}
			if !strings.Contains(a.body, want) {
				t.Errorf("%s does not show %q", path, want)
			}
		}
	}
}

func TestFindingsAreFiltered(t *testing.T) {
	f, old, other := tombstone(), tombstone(), tombstone()
	old.ID, old.Summary, old.LastTime = "01OLD", "long ago", noon.Add(-time.Hour)
	other.ID, other.Rule, other.Severity, other.Summary = "01OTHER", "idle-member", rules.Info, "idle"
	other.Subject = rules.Subject{Group: "billing"}
	base := serve(t, admin.Options{Source: admin.Source{Findings: ring(f, old, other)}, Now: func() time.Time { return noon }})
	for query, want := range map[string][]string{
		"":                              {"01F", "01OTHER", "01OLD"},
		"open=1":                        {"01F", "01OTHER"},
		"severity=warning":              {"01F", "01OLD"},
		"rule=idle-member":              {"01OTHER"},
		"group=+billing+":               {"01OTHER"},
		"topic=users&since=15m":         {"01F"},
		"client_id=profile-svc&limit=1": {"01F"},
		"client_id=nobody":              nil,
	} {
		a := get(t, base+"/findings?"+query)
		var got []string
		for _, m := range regexp.MustCompile(`id="f-([A-Z0-9]+)"`).FindAllStringSubmatch(a.body, -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
		if strings.Contains(query, "limit=1") && !strings.Contains(a.body, `href="/findings?client_id=profile-svc&amp;limit=51"`) {
			t.Errorf("%s: no link to more", query)
		}
	}
	for _, query := range []string{"severity=criticl", "since=yesterday", "colour=red"} {
		if a := get(t, base+"/findings?"+query); a.status != http.StatusBadRequest || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}

func TestPagePolicy(t *testing.T) {
	base := serve(t, admin.Options{Source: source()})
	policy := get(t, base+"/").header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
			t.Errorf("policy %q", policy)
		}
	}
	for path, want := range map[string]string{"/style.css": "text/css", "/app.js": "text/javascript", "/icon.svg": "image/svg+xml"} {
		if a := get(t, base+path); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), want) {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
	}
}
