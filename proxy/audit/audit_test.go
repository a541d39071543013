package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"warder/configs"
	"warder/protocol"
	"warder/proxy/audit"
	"warder/proxy/tap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience ends waits of tests that have already failed.
const patience = 10 * time.Second

// meter counts what becomes of lines.
type meter struct {
	written, dropped atomic.Int64
	seq              atomic.Uint64
	failing          atomic.Bool
}

func (m *meter) meter() audit.Meter {
	return audit.Meter{
		Written: func(n int, seq uint64) { m.written.Add(int64(n)); m.seq.Store(seq) },
		Failed:  m.failing.Store,
		Dropped: func() { m.dropped.Add(1) },
	}
}

// config is what the defaults are, changed.
func config(change ...func(*configs.Audit)) *configs.Audit {
	c := &configs.Audit{}
	c.SetDefaults()
	for _, f := range change {
		f(c)
	}
	return c
}

func stops(c *configs.Audit) { c.OnFailure = "stop" }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// begin starts a trail whose end the test sees to.
func begin(to audit.Sink, c *configs.Audit, key []byte) (*audit.Trail, *meter) {
	m := &meter{}
	trail, err := audit.New(audit.Options{
		Config: c, Key: key, Sink: to, Begun: audit.Event{Time: noon, Version: "1.0"}, Meter: m.meter(), Log: zerolog.Nop(), Every: 5 * time.Millisecond,
	})
	if err != nil { // only with Wait
		panic(err)
	}
	return trail, m
}

func finish(t *testing.T, trail *audit.Trail) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := trail.Close(ctx); err != nil {
		t.Error(err)
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // the pause between two looks at a condition
	}
}

func deletion(topic string) *tap.Exchange {
	return &tap.Exchange{
		Time: noon, Session: 7, Remote: "10.1.2.3:51514", ClientID: "ops", Principal: "User:alice", NodeID: 1,
		API: "DeleteTopics", Key: protocol.DeleteTopics, Version: 6, RequestBytes: 60, ResponseBytes: 50, Outcome: tap.OutcomeOK,
		Partitions: []tap.Partition{{Topic: topic, Partition: -1}},
	}
}

// give hands over an exchange as a session does, and says whether it was to be.
func give(t *testing.T, trail *audit.Trail, x *tap.Exchange) bool {
	t.Helper()
	oneOf, err := trail.Take(x.Key)
	if err != nil {
		t.Fatal(err)
	}
	if oneOf > 0 {
		trail.Exchange(x, oneOf)
	}
	return oneOf > 0
}

// fileSink writes to a file in a directory of the test's.
func fileSink(dir string) *audit.File {
	return audit.NewFile(&configs.AuditFile{Path: configs.Path(filepath.Join(dir, "audit.jsonl")), MaxSize: configs.MiB, Keep: 100})
}

// written is a trail of a run that names topics.
func written(t *testing.T, dir string, key []byte, topics ...string) string {
	t.Helper()
	trail, _ := begin(fileSink(dir), config(), key)
	for _, topic := range topics {
		give(t, trail, deletion(topic))
	}
	finish(t, trail)
	return filepath.Join(dir, "audit.jsonl")
}

func linesOf(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, key []byte, head string, files ...string) *audit.Report {
	t.Helper()
	r, err := audit.Verify(files, key, head)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The form of a line is a contract: who verifies a trail without warder goes by it.
func TestFormOfLines(t *testing.T) {
	lines := linesOf(t, written(t, t.TempDir(), nil, "users"))
	const zeros = "0000000000000000000000000000000000000000000000000000000000000000"
	ends := regexp.MustCompile(`,"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"}\n?$`)
	prev := zeros
	for i, line := range lines {
		m := ends.FindStringSubmatch(line)
		if m == nil || m[1] != prev {
			t.Fatalf("line %d does not follow %s: %s", i+1, prev, line)
		}
		before, _, _ := strings.Cut(line, `,"hash":"`)
		if h := sha256.Sum256([]byte(before)); hex.EncodeToString(h[:]) != m[2] {
			t.Errorf("line %d has another hash", i+1)
		}
		prev = m[2]
	}
	body := func(i int) string { return lines[i][:ends.FindStringIndex(lines[i])[0]] }
	if diff := cmp.Diff(`{"seq":1,"event":"begun","time":"2026-11-23T12:00:00Z","version":"1.0"`, body(0)); diff != "" {
		t.Error(diff)
	}
	const exchange = `{"seq":2,"event":"exchange","time":"2026-11-23T12:00:00Z","session":7,"remote":"10.1.2.3:51514","client_id":"ops",` +
		`"principal":"User:alice","node_id":1,"api":"DeleteTopics","key":20,"version":6,"correlation_id":0,"request_bytes":60,` +
		`"response_bytes":50,"latency_ns":0,"partitions":[{"topic":"users","partition":-1}],"outcome":"ok"`
	if diff := cmp.Diff(exchange, body(1)); diff != "" {
		t.Error(diff)
	}
	if len(lines) != 3 || !strings.Contains(lines[2], `"event":"ended"`) {
		t.Errorf("it does not end so: %q", lines)
	}
}

// Whatever byte is changed, the trail is not whole, and the line is named.
func TestEveryEditShows(t *testing.T) {
	for _, key := range [][]byte{nil, []byte("secret")} {
		file := written(t, t.TempDir(), key, "users", "orders")
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if r := verify(t, key, "", file); !r.Whole || r.Lines != 4 || r.Runs != 1 || r.Killed != 0 || r.Keyed != (key != nil) {
			t.Fatalf("%+v", r)
		}
		for i := range whole {
			edited := bytes.Clone(whole)
			edited[i] ^= 1
			write(t, file, string(edited))
			line := 1 + bytes.Count(whole[:i], []byte("\n"))
			if r := verify(t, key, "", file); r.Whole || r.Break.Line != line {
				t.Fatalf("byte %d of line %d: %+v", i, line, r.Break)
			}
		}
	}
}

func TestWhatIsWrongWithATrail(t *testing.T) {
	file := written(t, t.TempDir(), nil, "a", "b", "c")
	lines := linesOf(t, file)
	head := verify(t, nil, "", file).Head
	keyed := linesOf(t, written(t, t.TempDir(), []byte("secret"), "a"))
	other := linesOf(t, written(t, t.TempDir(), nil, "x", "y", "z"))
	lines[4] += "\n"
	other[4] += "\n"
	for name, tc := range map[string]struct {
		lines []string
		key   string
		head  string
		line  int
		want  string
	}{
		"missing":         {slices.Delete(slices.Clone(lines), 2, 4), "", "", 3, "2 lines are missing before line 5 of the chain: 3 to 4"},
		"missing one":     {slices.Delete(slices.Clone(lines), 1, 2), "", "", 2, "1 line is missing before line 3 of the chain: 2"},
		"exchanged":       {[]string{lines[0], lines[2], lines[1], lines[3], lines[4]}, "", "", 2, "lines are in another order: line 2 of the chain should stand here"},
		"moved back":      {[]string{lines[0], lines[1], lines[2], lines[3], lines[4], other[2]}, "", "", 6, "line 3 of the chain stands behind line 5"},
		"replaced":        {[]string{lines[0], other[1], lines[2]}, "", "", 3, "line 3 of the chain does not follow the line before it"},
		"torn":            {append(slices.Clone(lines[:4]), lines[4][:20]), "", "", 5, "the trail ends inside a line, of which there are 20 bytes"},
		"garbage":         {[]string{lines[0], "hello\n", lines[1]}, "", "", 2, "this is no line of a trail"},
		"cut off at end":  {lines[:3], "", head, 3, "no line has the hash " + head},
		"empty":           {nil, "", "", 0, "there is no line"},
		"no key given":    {keyed, "", "", 1, "with a key"},
		"another key":     {keyed, "guess", "", 1, "or the key is another"},
		"key of no use":   {lines, "secret", "", 1, "or the key is another"},
		"beyond a line":   {[]string{lines[0], strings.Repeat("x", 5<<20) + "\n"}, "", "", 2, "longer than any line"},
		"explains itself": {[]string{lines[0], "hello\n", "there\n", lines[1]}, "", "", 3, "nothing explains these 5 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, file, strings.Join(tc.lines, ""))
			r := verify(t, []byte(tc.key), tc.head, file)
			if r.Whole || r.Break.Line != tc.line || !strings.Contains(r.Break.What, tc.want) {
				t.Errorf("%+v", r.Break)
			}
		})
	}
	// What Kafka has stored twice is no break, nor is a trail whose first files are gone.
	write(t, file, strings.Join([]string{lines[1], lines[2], lines[1], lines[2], lines[3], lines[4]}, ""))
	if r := verify(t, nil, head, file); !r.Whole || r.Twice != 2 || r.First != 2 || r.Lines != 4 {
		t.Errorf("%+v %+v", r, r.Break)
	}
	if _, err := audit.Verify([]string{file + ".none"}, nil, ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestChainGoesOnOverRunsAndFiles(t *testing.T) {
	dir := t.TempDir()
	topics := make([]string, 400)
	for i := range topics {
		topics[i] = "users"
	}
	for range 3 {
		sink := audit.NewFile(&configs.AuditFile{Path: configs.Path(filepath.Join(dir, "audit.jsonl")), MaxSize: 64 * configs.KiB, Keep: 100})
		trail, _ := begin(sink, config(), nil)
		for _, topic := range topics {
			give(t, trail, deletion(topic))
		}
		finish(t, trail)
	}
	files, err := filepath.Glob(filepath.Join(dir, "audit.jsonl.*"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%v %v", files, err)
	}
	newest := filepath.Join(dir, "audit.jsonl")
	for i := range files { // the oldest has the highest number
		files[i] = newest + "." + strconv.Itoa(len(files)-i)
	}
	files = append(files, newest)
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Size() > 64<<10 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	if r := verify(t, nil, "", files...); !r.Whole || r.Lines != 3*402 || r.Runs != 3 || r.Killed != 0 || r.First != 1 {
		t.Errorf("%+v %+v", r, r.Break)
	}
	if r := verify(t, nil, "", files[2:]...); !r.Whole || r.First == 1 {
		t.Errorf("without the oldest: %+v", r)
	}
	if r := verify(t, nil, "", append(slices.Clone(files[:1]), files[2:]...)...); r.Whole || r.Break.File != files[2] || r.Break.Line != 1 {
		t.Errorf("without one between: %+v", r.Break)
	}
	// A run that begins right after the file was begun anew finds its chain in the one before.
	if err := os.Rename(newest, newest+".0"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(newest+".1", newest+".1.bak"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(newest+".0", newest+".1"); err != nil {
		t.Fatal(err)
	}
	written(t, dir, nil, "later")
	if r := verify(t, nil, "", newest+".1", newest); !r.Whole || r.Last != 3*402+3 {
		t.Errorf("%+v %+v", r, r.Break)
	}
}

// A crash may leave half a line, and an end without "ended".
func TestTornLineIsAccountedFor(t *testing.T) {
	dir := t.TempDir()
	file := written(t, dir, nil, "a", "b")
	lines := linesOf(t, file)
	torn := strings.Join(lines[:2], "") + lines[2][:100]
	write(t, file, torn)
	written(t, dir, nil, "c")
	r := verify(t, nil, "", file)
	if !r.Whole || r.Torn != 1 || r.Runs != 2 || r.Killed != 1 || r.Lines != 6 {
		t.Errorf("%+v %+v", r, r.Break)
	}
	data, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(data), torn+"\n") {
		t.Errorf("what was there has changed: %v\n%s", err, data)
	}
	// What is left of the line may not be changed either, nor taken away.
	rest := strings.TrimPrefix(string(data), torn)
	write(t, file, torn[:len(torn)-1]+"x"+rest)
	if r := verify(t, nil, "", file); r.Whole || r.Break.Line != 3 {
		t.Errorf("%+v", r.Break)
	}
	write(t, file, strings.Join(lines[:2], "")+rest[1:])
	if r := verify(t, nil, "", file); r.Whole || r.Break.Line != 3 || !strings.Contains(r.Break.What, "should stand before") {
		t.Errorf("%+v", r.Break)
	}
}

func TestFirstLineIsWaitedFor(t *testing.T) {
	o := audit.Options{Config: config(stops), Begun: audit.Event{Time: noon}, Meter: (&meter{}).meter(), Log: zerolog.Nop(), Wait: true}
	o.Sink = fileSink(t.TempDir())
	trail, err := audit.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if oneOf, err := trail.Take(protocol.DeleteTopics); oneOf != 1 || err != nil {
		t.Errorf("%d %v", oneOf, err)
	}
	finish(t, trail)
	o.Sink = fileSink(filepath.Join(t.TempDir(), "none"))
	if _, err := audit.New(o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestFileThatIsNoTrail(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "audit.jsonl"), "{\"level\":\"info\"}\n")
	if _, err := fileSink(dir).Open(t.Context()); err == nil || !strings.Contains(err.Error(), "no line of a trail") {
		t.Errorf("%v", err)
	}
	if _, err := fileSink(filepath.Join(dir, "audit.jsonl")).Open(t.Context()); err == nil {
		t.Error("a file in a file was opened")
	}
}

func TestEachAPIIsInOneGroup(t *testing.T) {
	groups := map[string][]string{}
	for group, names := range configs.AuditGroups {
		for _, name := range names {
			groups[name] = append(groups[name], group)
		}
	}
	for _, api := range protocol.APIs() {
		if want := api.Treatment != protocol.TreatRefuse; want != (len(groups[api.Name]) == 1) {
			t.Errorf("%s is in %q", api.Name, groups[api.Name])
		}
		delete(groups, api.Name)
	}
	if len(groups) > 0 {
		t.Errorf("there are no such APIs: %v", groups)
	}
}

func TestWhichExchangesAreTaken(t *testing.T) {
	trail, _ := begin(fileSink(t.TempDir()), config(func(c *configs.Audit) {
		c.APIs = []string{"admin", "Metadata"}
		c.Sample = map[string]float64{"all": 0.01, "fetch": 0.1, "ShareFetch": 0.5, "DeleteTopics": 0.25}
	}), nil)
	defer finish(t, trail)
	got := map[string]int{}
	for name, key := range map[string]int16{
		"CreateTopics": protocol.CreateTopics, "DeleteTopics": protocol.DeleteTopics, "Metadata": protocol.Metadata, "Fetch": protocol.Fetch,
		"ShareFetch": protocol.ShareFetch, "Produce": protocol.Produce, "unknown": 9999,
	} {
		for range 200 {
			oneOf, err := trail.Take(key)
			if err != nil {
				t.Fatal(err)
			}
			if oneOf > 0 {
				got[name]++
			}
		}
	}
	want := map[string]int{"CreateTopics": 2, "DeleteTopics": 50, "Metadata": 2, "Fetch": 20, "ShareFetch": 100, "Produce": 2, "unknown": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if oneOf, err := (*audit.Trail)(nil).Take(protocol.Produce); oneOf != 0 || err != nil {
		t.Error("no trail takes something")
	}
}

func TestSampledLinesSaySo(t *testing.T) {
	dir := t.TempDir()
	trail, _ := begin(fileSink(dir), config(func(c *configs.Audit) { c.Sample = map[string]float64{"DeleteTopics": 0.5} }), nil)
	for range 4 {
		give(t, trail, deletion("users"))
	}
	finish(t, trail)
	data, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if n := strings.Count(string(data), `"one_of":2,`); err != nil || n != 2 {
		t.Errorf("%d lines, %v", n, err)
	}
}
