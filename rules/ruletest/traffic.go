package ruletest

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"warder/rules"
)

// traffic plays the lines of a case.
func (s *stage) traffic(text string) {
	s.t.Helper()
	var asked asking
	var wants []string
	done := func() {
		s.t.Helper()
		if asked != nil {
			asked.send(s, wants)
		}
		asked, wants = nil, nil
	}
	for line := range s.repeated(text) {
		want, isWant := strings.CutPrefix(line, "=> ")
		more, isMore := strings.CutPrefix(line, "and ")
		switch {
		case isWant:
			wants = append(wants, want)
		case isMore && asked != nil:
			asked.add(s, more)
		default:
			done()
			for _, one := range s.several(line) {
				done()
				asked = s.line(one)
			}
		}
	}
	done()
}

// asking is a request that is being put together: what more it asks for, and what
// is to become of it, stands in the lines behind it.
type asking interface {
	add(s *stage, more string)
	send(s *stage, wants []string)
}

// line plays one line; a request comes back, to be completed.
func (s *stage) line(line string) asking {
	s.t.Helper()
	words := strings.Fields(line)
	verb := ""
	if len(words) > 1 {
		verb = words[1]
	}
	switch {
	case words[0] == "wait":
		s.pass(s.duration(verb))
	case words[0] == "reload":
		s.configure(verb)
	case words[0] == "topic" && len(words) == 4:
		s.setTopic(words[1], words[3])
	case words[0] == "warder" && verb == "asks":
		s.lookAtGroup(words[2:])
	case words[0] == "group":
		s.emit(rules.GroupConfigured{At: s.now, Group: verb, SessionTimeout: s.settings(words[2:]).duration("session", 0)})
	case words[0] == "warder":
		s.warder(words[1:])
	case words[0] == "log":
		s.logIs(words[1:])
	case words[0] == "client":
		s.declare(words[1], words[2:])
	case verb == "produces":
		r := newRequest(s, s.client(words[0]))
		_, rest, _ := strings.Cut(line, "produces ")
		r.add(s, r.options(s, rest))
		return r
	case verb == "asks" && len(words) > 3 && words[2] == "to":
		_, rest, _ := strings.Cut(line, "asks to ")
		return newChanges(s, s.client(words[0]), rest)
	case verbs[verb] != nil:
		verbs[verb](s, s.client(words[0]), words[2:])
	default:
		s.t.Fatalf("cannot read %q", line)
	}
	return nil
}

// verbs is what clients can do besides producing. Each is given the words behind
// it.
var verbs = map[string]func(*stage, *client, []string){
	"reconnects": (*stage).reconnect,
	"accepts":    acknowledging(rules.AckAccept),
	"releases":   acknowledging(rules.AckRelease),
	"rejects":    acknowledging(rules.AckReject),
	"renews":     acknowledging(rules.AckRenew),
	"commits": func(s *stage, c *client, words []string) {
		if len(words) > 3 && words[0] == "offsets" {
			s.commitOffsets(c, words[2:])
			return
		}
		s.endTransaction(c, words, true)
	},
	"aborts":     func(s *stage, c *client, words []string) { s.endTransaction(c, words, false) },
	"asks":       (*stage).askTopic,
	"lists":      (*stage).listTopic,
	"creates":    (*stage).createTopic,
	"deletes":    (*stage).deleteTopic,
	"alters":     (*stage).alterTopic,
	"subscribes": (*stage).subscribe,
	"reads":      (*stage).readTopic,
	"saw":        (*stage).sawPartitions,
	"adds": func(s *stage, c *client, words []string) {
		if len(words) > 0 && words[0] == "offsets" {
			s.addOffsets(c, words)
			return
		}
		s.addPartitions(c, words)
	},
	"fetches":     (*stage).fetch,
	"polls":       (*stage).poll,
	"joining":     (*stage).askToJoin,
	"joins":       (*stage).join,
	"syncs":       (*stage).sync,
	"beats":       (*stage).beat,
	"leaves":      (*stage).leave,
	"heartbeats":  (*stage).consumerBeat,
	"loses":       (*stage).lose,
	"sets":        (*stage).setOffsets,
	"forgets":     (*stage).deleteOffsets,
	"resumes":     (*stage).fetchOffsets,
	"looks":       (*stage).lookUp,
	"gets":        (*stage).get,
	"acquires":    (*stage).acquire,
	"idles":       (*stage).idle,
	"dies":        (*stage).die,
	"keeps":       (*stage).keep,
	"stops":       (*stage).stop,
	"initialises": (*stage).initialise,
	"fails":       (*stage).fail,
	"answered":    (*stage).produceAnswered,
	"served":      (*stage).fetchAnswered,
	"connects":    (*stage).connect,
	"uses":        (*stage).use,
}

// rounds are the places in a line where the number of the round stands, or what is
// reckoned with it.
var rounds = regexp.MustCompile(`\{n(?:\*(\d+))?(?:\+(\d+))?\}`)

// reckon fills in the number of the round.
func (s *stage) reckon(line string, n int) string {
	return rounds.ReplaceAllStringFunc(line, func(place string) string {
		parts := rounds.FindStringSubmatch(place)
		out := n
		if parts[1] != "" {
			out *= s.number(parts[1])
		}
		if parts[2] != "" {
			out += s.number(parts[2])
		}
		return strconv.Itoa(out)
	})
}

// repeated gives the lines of text that say something, those between `repeat N
// every D` and `end` N times with D behind each; {n} is the number of the
// round, from 1, and {n*10+5} is reckoned with it.
func (s *stage) repeated(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		s.t.Helper()
		var body []string
		var times, every string
		for line := range lines(text) {
			words := strings.Fields(line)
			switch {
			case words[0] == "repeat" && len(words) == 4:
				times, every = words[1], words[3]
			case line == "end":
				n, err := strconv.Atoi(times)
				s.must(err)
				for i := range n {
					for _, l := range append(body, "wait "+every) {
						if !yield(s.reckon(l, i+1)) {
							return
						}
					}
				}
				body, times = nil, ""
			case times != "":
				body = append(body, line)
			case !yield(line):
				return
			}
		}
	}
}

func (s *stage) duration(text string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(text)
	s.must(err)
	return d
}

func (s *stage) reconnect(c *client, _ []string) {
	c.close()
	c.gate, c.fetched = s.engine.Gate(), s.engine.FetchGate()
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// client gives a session by name.
func (s *stage) client(name string) *client {
	if s.clients[name] == nil {
		s.declare(name, nil)
	}
	return s.clients[name]
}

func (s *stage) declare(name string, settings []string) {
	s.t.Helper()
	id := &rules.Identity{ClientID: name, SoftwareName: "apache-kafka-java", SoftwareVersion: "4.1.0", Listener: "default"}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		switch key {
		case "id":
			id.ClientID = value
		case "software":
			id.SoftwareName, id.SoftwareVersion, _ = strings.Cut(value, "/")
		case "principal":
			id.Principal = value
		case "remote":
			id.Remote = netip.MustParseAddrPort(value)
		default:
			s.t.Fatalf("client %s: unknown setting %q", name, key)
		}
	}
	s.clients[name] = &client{
		name: name, memberID: name, generation: map[string]int32{}, waits: map[string]bool{}, epochs: map[string]bool{},
		identity: id, gate: s.engine.Gate(), fetched: s.engine.FetchGate(), producer: firstProducer + int64(len(s.clients)),
		seq: map[string]int32{}, saw: map[string]int{},
	}
}

func (s *stage) endTransaction(c *client, words []string, commit bool) {
	s.t.Helper()
	ev := rules.TransactionEnded{
		At: s.now, Client: c.identity, TransactionalID: words[0], Committed: commit, ProducerID: c.producer,
	}
	for _, setting := range words[1:] {
		pid, ok := strings.CutPrefix(setting, "pid=")
		if !ok {
			s.t.Fatalf("unknown setting %q", setting)
		}
		var err error
		ev.ProducerID, ev.ProducerEpoch, err = producer(pid)
		s.must(err)
	}
	s.emit(ev)
	s.settle(c, ev.TransactionalID, s.transactions.Ended(ev.TransactionalID), commit)
}

// emit tells whoever wants to know, as the proxy does.
func (s *stage) emit(ev rules.Event) {
	if s.engine.Wants(ev.Kind()) {
		s.engine.Emit(ev)
	}
}

// firstProducer is the producer id of the first client; each has its own unless
// a line names another.
const firstProducer = 4000

// producer reads ID/EPOCH.
func producer(text string) (id int64, epoch int16, err error) {
	pid, ep, _ := strings.Cut(text, "/")
	if id, err = strconv.ParseInt(pid, 10, 64); err != nil {
		return 0, 0, fmt.Errorf("pid=%s: %w", text, err)
	}
	n, err := strconv.ParseInt(ep, 10, 16)
	return id, int16(n), err
}
