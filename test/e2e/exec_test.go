package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"warder/test/e2e/kafka"
)

// A test suite whose tests all pass, and one of which writes a null to a compacted topic, is run as a pipeline would run it.
func TestExec(t *testing.T) {
	playRule(t, rulePlay{rule: "exec", name: "suite", clients: []string{"kafka-python"}, run: suiteBehindWarder})
}

func suiteBehindWarder(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("users"), 3, 1, M{"cleanup.policy": "compact"})

	clean := s.runSuite(topic, "profile_suite.Profiles.test_saves_users")
	if clean.status != 0 || !strings.Contains(clean.junit, `failures="0"`) || len(clean.errors()) != 0 {
		s.fail("the clean twin ended with %d:\n%s\n%s", clean.status, clean.output, clean.junit)
	}

	run := s.runSuite(topic, "profile_suite")
	if run.status != 3 || !strings.Contains(run.output, "Ran 2 tests") || !strings.Contains(run.output, "OK") {
		s.fail("ended with %d:\n%s", run.status, run.output)
	}
	null := s.theNull(topic)
	hash := sha256.Sum256([]byte(plain(null.K)))
	key := "sha256:" + hex.EncodeToString(hash[:4])
	s.inJUnit(run, []string{
		fmt.Sprintf("topic %s, partition %d, client profile-tests", topic, null.P),
		"profile-tests wrote a null value for key " + key, "offset_in_batch=2", "records=3", "software  kafka-python", "docs/rules/tombstone.md",
	})
	s.inSARIF(run, topic, null.P, key)
	s.recorded(run, topic)
}

// theNull is the record on the brokers that should not be there.
func (s *side) theNull(topic string) read {
	all := raw(s, topic)
	i := slices.IndexFunc(all, func(r read) bool { return r.V == nil })
	if i < 0 {
		s.fail("no null among %d records: the suite made no mistake", len(all))
	}
	return all[i]
}

// suiteRun is what came of a run behind warder.
type suiteRun struct {
	recordings    string // a directory
	status        int
	output, junit string
	sarif         sarifLog
}

// sarifLog is what the test reads of a report.
type sarifLog struct {
	Runs []struct{ Results []sarifResult }
}

type sarifResult struct {
	RuleID, Level string
	Properties    struct {
		Subject  subject
		Evidence M
	}
	Locations []struct {
		LogicalLocations []struct{ FullyQualifiedName string }
	}
}

// errors are the results that a reader of SARIF takes for failures.
func (r *suiteRun) errors() []sarifResult {
	return slices.DeleteFunc(slices.Clone(r.sarif.Runs[0].Results), func(f sarifResult) bool { return f.Level != "error" })
}

// runSuite runs tests of the suite behind a warder of their own.
func (s *side) runSuite(topic, tests string) *suiteRun {
	dir, err := os.MkdirTemp(w.run, "exec-")
	if err != nil {
		s.fail("%w", err)
	}
	junit, sarif := filepath.Join(dir, "found.xml"), filepath.Join(dir, "found.sarif")
	cmd := exec.CommandContext(s.ctx, w.warderBin, "exec", "--upstream", s.cluster.Bootstrap(kafka.Plaintext),
		"--fail-on", "critical", "--report", junit, "--report", sarif,
		"--record", "--set", "record.payload=full", "--set", "record.dir="+filepath.Join(dir, "recordings"), "--",
		filepath.Join(w.cache, "venv-kafkapython", "bin", "python"), "-m", "unittest", "-v", tests)
	cmd.Dir = filepath.Join("clients", "kafkapython")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PROFILE_TOPIC="+topic)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.fail("%v: %w", cmd.Args, err)
	}
	run := &suiteRun{recordings: filepath.Join(dir, "recordings"), status: cmd.ProcessState.ExitCode(), output: output.String()}
	run.junit = s.report(junit, run)
	if err := json.Unmarshal([]byte(s.report(sarif, run)), &run.sarif); err != nil {
		s.fail("%s: %w", sarif, err)
	}
	if len(run.sarif.Runs) != 1 {
		s.fail("%s holds %d runs", sarif, len(run.sarif.Runs))
	}
	return run
}

func (s *side) report(file string, run *suiteRun) string {
	text, err := os.ReadFile(file)
	if err != nil {
		s.fail("ended with %d: %w\n%s", run.status, err, run.output)
	}
	return string(text)
}

// inJUnit wants one failed test case, and these words in it.
func (s *side) inJUnit(run *suiteRun, words []string) {
	var all struct {
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Cases []struct {
				Class   string `xml:"classname,attr"`
				Failure *struct {
					Text string `xml:",chardata"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(run.junit), &all); err != nil {
		s.fail("%w\n%s", err, run.junit)
	}
	failed := ""
	for _, suite := range all.Suites {
		for _, c := range suite.Cases {
			if c.Failure != nil && c.Class == "warder.tombstone" {
				failed += c.Failure.Text
			}
		}
	}
	for _, word := range words {
		if all.Failures != 1 || !strings.Contains(failed, word) {
			s.fail("%d failures, or %q is missing:\n%s", all.Failures, word, run.junit)
		}
	}
}

// inSARIF wants one error, about the record.
func (s *side) inSARIF(run *suiteRun, topic string, partition int, key string) {
	found := run.errors()
	if len(found) != 1 {
		s.fail("%d errors: %+v", len(found), run.sarif)
	}
	f := found[0]
	who, evidence := f.Properties.Subject, f.Properties.Evidence
	if f.RuleID != "tombstone" || who.Topic != topic || who.Partition == nil || *who.Partition != partition || who.ClientID != "profile-tests" ||
		fmt.Sprint(evidence["offset_in_batch"], evidence["records"], evidence["keys"]) != "2 3 ["+key+"]" ||
		len(f.Locations) != 1 || len(f.Locations[0].LogicalLocations) == 0 || f.Locations[0].LogicalLocations[0].FullyQualifiedName != fmt.Sprintf("%s/%d", topic, partition) {
		s.fail("%+v", f)
	}
}
