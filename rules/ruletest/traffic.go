package ruletest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"warder/rules"
)

// traffic plays the lines of a case.
func (s *stage) traffic(text string) {
	s.t.Helper()
	var asked *request // the request that is being put together
	var wants []string
	done := func() {
		s.t.Helper()
		if asked != nil {
			s.produce(asked, wants)
		}
		asked, wants = nil, nil
	}
	for line := range lines(text) {
		want, isWant := strings.CutPrefix(line, "=> ")
		more, isMore := strings.CutPrefix(line, "and ")
		switch {
		case isWant:
			wants = append(wants, want)
		case isMore && asked != nil:
			asked.add(s, more)
		default:
			done()
			asked = s.line(line)
		}
	}
	done()
}

// line plays one line; a request comes back, to be completed.
func (s *stage) line(line string) *request {
	s.t.Helper()
	words := strings.Fields(line)
	verb := ""
	if len(words) > 1 {
		verb = words[1]
	}
	switch {
	case words[0] == "wait":
		d, err := time.ParseDuration(verb)
		s.must(err)
		s.pass(d)
	case words[0] == "reload":
		s.configure(verb)
	case words[0] == "topic" && len(words) == 4:
		s.setTopic(words[1], words[3])
	case words[0] == "client":
		s.declare(words[1], words[2:])
	case verb == "reconnects":
		s.client(words[0]).gate.Close()
		s.client(words[0]).gate = s.engine.Gate()
	case verb == "commits", verb == "aborts":
		s.endTransaction(words[0], words[2], verb == "commits", words[3:])
	case verb == "produces":
		r := newRequest(s, s.client(words[0]))
		_, rest, _ := strings.Cut(line, "produces ")
		r.add(s, r.options(s, rest))
		return r
	default:
		s.t.Fatalf("cannot read %q", line)
	}
	return nil
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
		identity: id, gate: s.engine.Gate(), producer: firstProducer + int64(len(s.clients)), seq: map[string]int32{},
	}
}

func (s *stage) endTransaction(who, txn string, commit bool, settings []string) {
	s.t.Helper()
	ev := rules.TransactionEnded{
		At: s.now, Client: s.client(who).identity, TransactionalID: txn, Committed: commit, ProducerID: s.client(who).producer,
	}
	for _, setting := range settings {
		pid, ok := strings.CutPrefix(setting, "pid=")
		if !ok {
			s.t.Fatalf("unknown setting %q", setting)
		}
		var err error
		ev.ProducerID, ev.ProducerEpoch, err = producer(pid)
		s.must(err)
	}
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
