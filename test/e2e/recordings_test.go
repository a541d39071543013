package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// recorded plays the recording of a run, which must show the null again, and exports it
// to where Wireshark must find the requests that it holds.
func (s *side) recorded(run *suiteRun, topic string) {
	played, status := s.warder("replay", run.recordings, "--fail-on", "critical", "--output", "json")
	if status != 3 || !strings.Contains(played, `"rule":"tombstone"`) || !strings.Contains(played, topic) || strings.Contains(played, "not_found_again") {
		s.fail("replay ended with %d:\n%s", status, played)
	}
	text, _ := s.warder("record", "info", run.recordings, "--output", "json")
	var info struct {
		Requests map[string]int
		Gaps     int
	}
	if err := json.Unmarshal([]byte(text), &info); err != nil || info.Gaps != 0 || info.Requests["Produce"] == 0 {
		s.fail("record info: %v\n%s", err, text)
	}
	capture := filepath.Join(run.recordings, "run.pcapng")
	if text, status := s.warder("record", "export", run.recordings, "-o", capture); status != 0 {
		s.fail("record export ended with %d:\n%s", status, text)
	}
	s.dissected(capture, info.Requests)
}

// warder runs the command and gives what it wrote to stdout.
func (s *side) warder(args ...string) (stdout string, status int) {
	cmd := exec.CommandContext(s.ctx, w.warderBin, args...)
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		s.fail("%v: %w", args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// apiKeys are those of the requests that a producer and its metadata need.
var apiKeys = map[int]string{0: "Produce", 3: "Metadata", 18: "ApiVersions", 22: "InitProducerId"}

// dissected checks that tshark counts the requests of a capture as the recording does.
func (s *side) dissected(capture string, requests map[string]int) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		fmt.Println("tshark is not installed (Debian: apt-get install tshark): whether Wireshark dissects recordings is not checked")
		return
	}
	fields, err := exec.CommandContext(s.ctx, tshark, "-r", capture, "-T", "fields", "-e", "kafka.request_key").Output()
	if err != nil {
		s.fail("tshark: %w", err)
	}
	counted := map[string]int{}
	for line := range strings.Lines(string(fields)) {
		for text := range strings.SplitSeq(strings.TrimSpace(line), ",") {
			if key, err := strconv.Atoi(text); err == nil {
				counted[apiKeys[key]]++
			}
		}
	}
	maps.DeleteFunc(requests, func(name string, _ int) bool {
		return !strings.Contains("Produce Metadata ApiVersions InitProducerId", name)
	})
	delete(counted, "")
	if !maps.Equal(requests, counted) {
		s.fail("recorded %v, dissected %v", requests, counted)
	}
}
