package house

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"warder/configs"
	"warder/rules/builtin"
	"warder/rules/engine"
)

// block is a fenced block of a Markdown page.
type block struct {
	language, text string
	line           int
	marked         bool // <!-- test --> stands on the line before
}

func blocks(page string) []block {
	var all []block
	var open *block
	before := ""
	for number, line := range strings.Split(page, "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &block{language: fence, line: number + 1, marked: strings.TrimSpace(before) == "<!-- test -->"}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
		if strings.TrimSpace(line) != "" {
			before = line
		}
	}
	return all
}

// pages are all pages for users and contributors, but for the history.
var pages = sync.OnceValue(func() (all []string) {
	for _, name := range files() {
		atTop := filepath.Dir(name) == "."
		if filepath.Ext(name) == ".md" && name != "CHANGELOG.md" && (atTop || strings.HasPrefix(name, "docs/")) {
			all = append(all, name)
		}
	}
	return all
})

// Marked commands run as they stand, in an empty directory, with warder on the
// path. Only their ports are others, so that they run side by side.
func TestMarkedCommandsWork(t *testing.T) {
	if !exists("bin/warder") {
		t.Skip("SKIP: bin/warder is not built; `make test` builds it first")
	}
	found := 0
	for _, page := range pages() {
		for _, b := range blocks(read(t, page)) {
			if !b.marked || b.language != "sh" {
				continue
			}
			found++
			t.Run(fmt.Sprintf("%s:%d", page, b.line), func(t *testing.T) {
				t.Parallel()
				b.run(t)
			})
		}
	}
	if found == 0 {
		t.Error("no page has a command that is tested")
	}
}

func (b block) run(t *testing.T) {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(root, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text, admin := withFreePorts(t, b.text)
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", text)
	cmd.Dir = t.TempDir()
	// What a failed block has left in the background goes with it, and is not waited for.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	if admin != "" {
		cmd.Env = append(cmd.Env, "WARDER_ADMIN="+admin)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, text, out)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}

// defaultAdmin is where commands look for a running warder.
const defaultAdmin = "127.0.0.1:9644"

// withFreePorts puts a free port in the place of each that is named, and gives what has become of the default address of the
// admin interface, empty when it is not named.
func withFreePorts(t *testing.T, text string) (changed, admin string) {
	t.Helper()
	free := map[string]string{}
	changed = regexp.MustCompile(`127\.0\.0\.1:[1-9][0-9]*`).ReplaceAllStringFunc(text, func(named string) string {
		if free[named] == "" {
			free[named] = freeAddress(t)
		}
		return free[named]
	})
	return changed, free[defaultAdmin]
}

// The ports of blocks are below those that systems give to clients (IANA: 49152 and
// up, Linux: 32768 and up): a client of another block could have got the port in the
// moment before its block listens there.
const (
	firstPort = 20_000
	allPorts  = 12_000
)

var portsTried atomic.Uint32

func init() { portsTried.Store(rand.Uint32()) } // other checkouts may be tested at the same time

func freeAddress(t *testing.T) string {
	t.Helper()
	for range allPorts {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+portsTried.Add(1)%allPorts)
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// loads gives what is wrong with a configuration that does not say where the brokers are, also in the eyes of the rules.
func loads(page, text string) error {
	var ids []string
	for _, s := range builtin.Specs() {
		ids = append(ids, s.ID)
	}
	var env []string
	if !strings.Contains(text, "upstream:") { // a part of a file
		env = []string{"WARDER_UPSTREAM=kafka:9092"}
	}
	c, err := configs.Parse(page, []byte(text), env, configs.Overrides{Rules: ids})
	if err != nil {
		return err
	}
	return engine.Check(builtin.Specs(), c.Rules, c.Suppressions)
}

// YAML in the pages is configuration that loads.
func TestConfigurationInPagesLoads(t *testing.T) {
	found := 0
	for _, page := range pages() {
		for _, b := range blocks(read(t, page)) {
			if b.language != "yaml" {
				continue
			}
			found++
			if err := loads(page, b.text); err != nil {
				t.Errorf("%s:%d: %v", page, b.line, err)
			}
		}
	}
	if found == 0 {
		t.Error("no configuration is shown anywhere")
	}
}

// What the shipped examples say to rules is understood by these. That the files load as a whole is a test in configs, which
// has the certificates for it.
func TestRulesUnderstandTheExamples(t *testing.T) {
	found := 0
	for _, name := range files() {
		if filepath.Dir(name) != "configs" || filepath.Ext(name) != ".yaml" {
			continue
		}
		found++
		var all map[string]yaml.Node
		if err := yaml.Unmarshal([]byte(read(t, name)), &all); err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(all, func(key string, _ yaml.Node) bool { return key != "rules" && key != "suppressions" && key != "record" })
		text, err := yaml.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if err := loads(name, string(text)); err != nil {
			t.Error(err)
		}
	}
	if found < 6 {
		t.Errorf("only %d examples", found)
	}
}

func TestMakeTargetsInPagesExist(t *testing.T) {
	makefile := read(t, "Makefile")
	mention := regexp.MustCompile("(?m)(?:`|^)make ([a-z0-9-]+)")
	found := 0
	for _, page := range append(pages(), ".ci/run") {
		for _, m := range mention.FindAllStringSubmatch(read(t, page), -1) {
			found++
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s mentions `make %s`, which does not exist", page, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no page mentions make")
	}
}

// Links within the repository lead somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, name := range files() {
		if !strings.HasSuffix(name, ".md") || strings.Contains(name, "testdata/") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			if target := filepath.ToSlash(filepath.Join(filepath.Dir(name), m[1])); !exists(target) {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			}
		}
	}
}

// A test that a page names as proof exists.
func TestTestsNamedInPagesExist(t *testing.T) {
	declared := map[string]bool{}
	for _, s := range sources() {
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(s.text, -1) {
			declared[m[1]] = true
		}
	}
	for _, page := range append(pages(), "CHANGELOG.md", "test/fixtures/README.md", "test/e2e/README.md") {
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`").FindAllStringSubmatch(read(t, page), -1) {
			if !declared[m[1]] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}

// What SECURITY.md says that somebody cannot do is not for want of trying.
func TestWhatCannotBeDoneIsTried(t *testing.T) {
	proof, found := regexp.MustCompile("`(?:Test|Fuzz)[A-Z]\\w*`"), 0
	for item := range strings.SplitSeq(read(t, "SECURITY.md"), "\n- ") {
		if item, _, _ = strings.Cut(item, "\n\n"); strings.Contains(item, "**cannot**") {
			found++
			if !proof.MatchString(item) {
				t.Errorf("no test is named: %s", item)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d things cannot be done", found)
	}
}

func TestChangelogHasAnUnreleasedPart(t *testing.T) {
	if !strings.Contains(read(t, "CHANGELOG.md"), "\n## Unreleased\n") {
		t.Error("CHANGELOG.md has no part `## Unreleased`")
	}
}
