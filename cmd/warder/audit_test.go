package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"warder/record"
	"warder/rules"
	"warder/rules/sink"
)

// auditedPort is where clients find the broker in captures that tests write.
const auditedPort = 9092

// capturedWire is what was noted, as tcpdump would have written it: one segment for each
// call, from a client port for each connection.
func capturedWire(t *testing.T, w *wire) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "kafka.pcapng")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := pcapgo.NewNgWriter(f, layers.LinkTypeRaw)
	if err != nil {
		t.Fatal(err)
	}
	sent := map[uint64]*[2]uint32{} // by connection: sequence numbers of client and broker
	for _, e := range w.entries {
		seq := sent[e.Conn]
		if seq == nil {
			seq = &[2]uint32{}
			sent[e.Conn] = seq
		}
		raw := packetOf(t, e, seq)
		if err := out.WritePacket(gopacket.CaptureInfo{Timestamp: e.At, CaptureLength: len(raw), Length: len(raw)}, raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	return file
}

// packetOf is the packet of one entry.
func packetOf(t *testing.T, e *record.Entry, seq *[2]uint32) []byte {
	t.Helper()
	from, length := 0, uint32(len(e.Data))
	if e.Kind == record.Answer {
		from = 1
	}
	ports := [2]layers.TCPPort{layers.TCPPort(40000 + e.Conn), auditedPort}
	tcp := &layers.TCP{
		SrcPort: ports[from], DstPort: ports[1-from], Seq: seq[from], Ack: seq[1-from],
		SYN: e.Kind == record.Opened, RST: e.Kind == record.Closed, ACK: e.Kind != record.Opened,
	}
	if e.Kind == record.Opened {
		length = 1
	}
	seq[from] += length
	ip := &layers.IPv4{Version: 4, Protocol: layers.IPProtocolTCP, SrcIP: net.IPv4(127, 0, 0, 1).To4(), DstIP: net.IPv4(127, 0, 0, 1).To4()}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, ip, tcp, gopacket.Payload(e.Data)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// audited is what a finding comes to where nothing is refused.
func audited(live []rules.Finding) []rules.Finding {
	for i := range live {
		if live[i].Action == rules.Block {
			live[i].Action, live[i].WouldBlock = rules.Alert, true
		}
		live[i].Summary = "" // says what was done
	}
	return live
}

func TestAuditFindsWhatWasFoundLive(t *testing.T) {
	s, w := serve(t, guarded), &wire{}
	accident(t, s, w)
	waitFor(t, "the finding", func() bool { return s.engine.Findings().Len() > 0 })
	live := s.engine.Findings().Query(sink.Query{})
	config := filepath.Join(t.TempDir(), "warder.yaml")
	if err := os.WriteFile(config, []byte("upstream: {name: test}\n"+guarded), 0o600); err != nil {
		t.Fatal(err)
	}
	file := capturedWire(t, w)

	got := warder(t, nil, "audit", "-r", file, "--config", config, "--fail-on", "critical")
	for _, want := range []string{"critical  tombstone  alert (would block)", "profile-svc wrote a null value"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("stdout does not say %q:\n%s", want, got.stdout)
		}
	}
	if want := strconv.Itoa(int(w.conns)) + " connections to brokers, " + strconv.Itoa(int(w.conns)) + " followed"; got.status != exitFindings || !strings.Contains(got.stderr, want) {
		t.Errorf("status %d, stderr does not say %q:\n%s", got.status, want, got.stderr)
	}

	got = warder(t, nil, "audit", "-r", file, "--config", config, "-o", "json")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	var found []rules.Finding
	for _, line := range lines[:len(lines)-1] {
		var f rules.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		found = append(found, f)
	}
	if diff := cmp.Diff(identities(audited(live)), identities(audited(found))); diff != "" {
		t.Errorf("findings (-live +audit):\n%s", diff)
	}
	var last struct{ Summary pastSummary }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	c := last.Summary.Capture
	if c == nil || c.Packets != uint64(len(w.entries)) || c.Requests == 0 || len(c.NotFollowed) != 0 || last.Summary.Requests["Produce"] != 2 {
		t.Errorf("%+v of %d packets, %v", c, len(w.entries), last.Summary.Requests)
	}
	total := 0
	for _, n := range last.Summary.Requests {
		total += n
	}
	if uint64(total) != c.Requests {
		t.Errorf("%d requests in the capture, %d were played", c.Requests, total)
	}
}

func TestAuditSaysWhatItDidNotFollow(t *testing.T) {
	w := &wire{}
	for i, first := range []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "GET / HTTP/1.1\r\n\r\n"} {
		w.note(&record.Entry{Kind: record.Opened, Conn: uint64(i + 1)})
		w.note(&record.Entry{Kind: record.Request, Conn: uint64(i + 1), Data: []byte(first)})
	}
	got := warder(t, nil, "audit", "-r", capturedWire(t, w))
	for _, want := range []string{"4 packets, 2 connections to brokers, 0 followed", "encrypted (TLS)   1            -        9", "another protocol  1            -        18"} {
		if got.status != 0 || !strings.Contains(got.stderr, want) {
			t.Errorf("status %d, stderr does not say %q:\n%s", got.status, want, got.stderr)
		}
	}
}

func TestAuditUsage(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("nothing that was captured"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]outcome{
		"audit":                           {2, "", "what to look at? -r FILE reads a capture, -i INTERFACE captures"},
		"audit -r x -i lo":                {2, "", "give one of them"},
		"audit -r x --duration 1m":        {2, "", "--duration is for -i"},
		"audit -i lo --duration -1m":      {2, "", "must not be negative"},
		"audit -r x --port 70000":         {2, "", "ports are 1 to 65535"},
		"audit -r x --fail-on bad":        {2, "", "--fail-on"},
		"audit -r /nowhere/x.pcap":        {1, "", "/nowhere/x.pcap"},
		"audit -i nosuch0 --duration 1ms": {1, "", "nosuch0"},
		"audit -r " + other:               {1, "", other + ": neither pcap nor pcapng"},
	} {
		got := warder(t, nil, strings.Fields(line)...)
		if got.status != want.status || !strings.Contains(got.stderr, want.stderr) {
			t.Errorf("warder %s: status %d, want %d; stderr %q, want %q", line, got.status, want.status, got.stderr, want.stderr)
		}
	}
}
