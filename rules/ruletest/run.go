package ruletest

import (
	"flag"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"warder/configs"
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/sink"
	"warder/rules/state"
)

var update = flag.Bool("update", false, "write the findings and advice sections of the cases")

// start is when virtual time begins.
var start = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)

// form is how requests travel.
type form struct {
	codec   records.Codec
	version int16
}

// forms are tried for every case: every codec, and the versions that name
// topics by id, are flexible, and are neither.
var forms = []form{
	{records.None, 13}, {records.Gzip, 12}, {records.Snappy, 9}, {records.LZ4, 8}, {records.Zstd, 7}, {records.None, 3},
}

// Run runs every case in dir, whose name is that of a rule, against that rule of
// the table and those that the case's configuration names.
func Run(t *testing.T, specs []rules.Spec, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	advised := false
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, advises := sectionOf(archive, "advice")
		advised = advised || advises
		for i, f := range formsOf(archive) {
			name := fmt.Sprintf("%s/v%d-%s", strings.TrimSuffix(filepath.Base(file), ".txtar"), f.version, f.codec)
			t.Run(name, func(t *testing.T) {
				got := play(t, subjects(specs, dir, archive), archive, f)
				if *update && i == 0 {
					write(t, file, archive, got)
				}
				for name, text := range got {
					want, ok := sectionOf(archive, name)
					if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(text, "\n")); diff != "" && (ok || name != "advice") {
						t.Errorf("%s (-want +got):\n%s", name, diff)
					}
				}
			})
		}
	}
	if !advised {
		t.Errorf("no case in %s has a section with the advice that is given", dir)
	}
}

// formsOf gives the forms in which a case is worth playing: one where nobody
// produces anything, and one under the race detector, which makes all of them
// take minutes while cases run in one goroutine.
func formsOf(archive *txtar.Archive) []form {
	if !raceDetector && strings.Contains(section(archive, "traffic"), "produces") {
		return forms
	}
	return forms[:1]
}

// subjects gives the rules that a case is about. What others would make of its
// traffic is their own cases' business.
func subjects(specs []rules.Spec, dir string, archive *txtar.Archive) (list []rules.Spec) {
	name := strings.ReplaceAll(filepath.Base(dir), "_", "-")
	for _, spec := range specs {
		if spec.ID == name || names(archive, spec.ID) {
			list = append(list, spec)
		}
	}
	return list
}

// names says whether a section of the archive configures a rule.
func names(archive *txtar.Archive, id string) bool {
	for _, f := range archive.Files {
		for line := range lines(string(f.Data)) {
			if strings.HasPrefix(line, id+":") || strings.HasPrefix(line, "- {rule: "+id+",") {
				return true
			}
		}
	}
	return false
}

// stage is one run of one case.
type stage struct {
	t            *testing.T
	archive      *txtar.Archive
	form         form
	engine       *engine.Engine
	topics       *state.Topics
	specs        []rules.Spec
	logs         *state.Logs
	groups       *state.Groups
	transactions *state.Transactions
	configured   string       // the section that is in force
	seed         maphash.Seed // of what events carry as a hash
	ids          map[string][16]byte
	made         int             // topics that were given an id, those that are gone included
	partitions   map[string]int  // where it is not defaultPartitions
	appeared     map[string]bool // topics that were told of as new
	now          time.Time
	clients      map[string]*client
	rounds       map[string]round // by group
	habits       []*habit
	findings     strings.Builder
	advice       []string // each once, in the order of findings
}

// client is one session.
type client struct {
	name       string           // in the case
	memberID   string           // its name, or after its death NAME-2
	lives      int              // that it has had before
	instance   string           // group.instance.id
	generation map[string]int32 // by group; 0 is no member, below it one that has an id and has not joined
	waits      map[string]bool  // by group: its JoinGroup waits in the coordinator
	epochs     map[string]bool  // by group: it speaks KIP-848
	protocol   string           // of its heartbeats: share, streams, else KIP-848
	identity   *rules.Identity
	gate       *engine.Gate
	fetched    *engine.FetchGate
	producer   int64
	seq        map[string]int32
	saw        map[string]int // partitions by topic, as in Metadata
	turn       int            // of `by turns`
}

func (c *client) close() {
	c.gate.Close()
	c.fetched.Close()
}

// play gives what the sections about the outcome must say.
func play(t *testing.T, specs []rules.Spec, archive *txtar.Archive, f form) map[string]string {
	t.Helper()
	s := &stage{
		t: t, archive: archive, form: f, topics: state.NewTopics(0), now: start, specs: scrambled(specs), seed: maphash.MakeSeed(),
		rounds: map[string]round{}, ids: map[string][16]byte{}, partitions: map[string]int{}, appeared: map[string]bool{}, clients: map[string]*client{},
	}
	s.start()
	s.configure("config")
	for line := range lines(section(archive, "topics")) {
		s.topicLine(strings.Fields(line))
	}
	s.traffic(section(archive, "traffic"))
	for _, c := range s.clients {
		c.close()
	}
	if err := s.engine.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return map[string]string{"findings": s.findings.String(), "advice": strings.Join(s.advice, "")}
}

// start makes a warder that knows nothing of groups.
func (s *stage) start() {
	s.t.Helper()
	inspect := configs.Default().Inspect
	inspect.FetchRecords = "all"
	s.logs = state.NewLogs(0)
	s.groups = state.NewGroups(s.logs)
	s.transactions = state.NewTransactions(0)
	e, err := engine.New(engine.Options{
		Cluster: "test", Specs: s.specs, Topics: s.topics, Models: []rules.Model{s.groups}, Sinks: []sink.Sink{s},
		Inspect: inspect, Inline: true, Now: func() time.Time { return s.now },
		Limits: engine.Limits{Shards: 1}, // which is chosen at random, and so the order of what two groups are told in one tick
		Meter:  engine.Meter{Panic: func(rule string) { s.t.Errorf("rule %s panicked", rule) }},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.engine = e
	e.AnswerWith(s.answer)
}

// configure makes a section of the archive the live configuration.
func (s *stage) configure(name string) {
	s.t.Helper()
	text := "upstream: {bootstrap: [\"kafka:9092\"]}\nrecord: {}\n" + section(s.archive, name)
	c, err := configs.Parse(name, []byte(text), nil, configs.Overrides{Now: func() time.Time { return s.now }})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.engine.Configure(c.Rules, c.Suppressions); err != nil {
		s.t.Fatal(err)
	}
	s.configured = name
}

// topicLine reads NAME POLICY PARTITIONS SETTINGS.
func (s *stage) topicLine(words []string) {
	s.t.Helper()
	name := words[0]
	var settings rules.TopicSettings
	for _, word := range words[min(2, len(words)):] {
		if entry, value, ok := strings.Cut(word, "="); ok {
			settings.Set(entry, value)
			settings.Known = true
		} else {
			s.partitions[name] = s.number(word)
		}
	}
	s.setTopic(name, strings.Join(words[1:min(2, len(words))], ""))
	if settings.Known {
		s.topics.LearnSettings(name, settings)
	}
}

// setTopic makes a topic known, its policy too unless that is "unknown".
func (s *stage) setTopic(name, policy string) {
	id, ok := s.ids[name]
	if !ok {
		s.made++
		id = [16]byte{14: byte(s.made >> 8), 15: byte(s.made)}
		s.ids[name] = id
	}
	s.topics.Learn(name, id, s.partitionsOf(name))
	switch policy {
	case "unknown":
		s.topics.ForgetConfig(name)
	case "deleted":
		s.topics.Delete(name)
	default:
		s.topics.LearnConfig(name, policy, s.now)
	}
}

// defaultPartitions is how many partitions a topic has unless its line says
// otherwise.
const defaultPartitions = 12

func (s *stage) partitionsOf(topic string) int {
	if n := s.partitions[topic]; n > 0 {
		return n
	}
	return defaultPartitions
}

func (s *stage) number(text string) int {
	s.t.Helper()
	n, err := strconv.Atoi(text)
	s.must(err)
	return n
}

// pass lets virtual time pass, second by second.
func (s *stage) pass(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(time.Second)
		s.live()
		s.engine.Tick(s.now)
	}
}

func section(a *txtar.Archive, name string) string {
	text, _ := sectionOf(a, name)
	return text
}

func sectionOf(a *txtar.Archive, name string) (text string, ok bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

// lines gives the lines that say something.
func lines(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "#") && !yield(line) {
				return
			}
		}
	}
}

func write(t *testing.T, file string, a *txtar.Archive, outcome map[string]string) {
	t.Helper()
	for i := range a.Files {
		if text, ok := outcome[a.Files[i].Name]; ok {
			a.Files[i].Data = []byte(text)
		}
	}
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}
