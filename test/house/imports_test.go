package house

import (
	"slices"
	"strings"
	"testing"
)

// order is the whole import order: each package and what of ours it may import
// directly. Imports go one way, upwards in this text. Do not change it to make
// a build pass: say first why the new arrow belongs there.
//
// Tests of a package may import more than the package; they are not held to it,
// except in rules/builtin.
const order = `
protocol/wire:
protocol/fixture:
protocol/records: protocol/wire
protocol/messages: protocol/wire
protocol: protocol/wire protocol/records protocol/messages

configs:
docs:

rules: protocol/records protocol
rules/state: rules
rules/format:
rules/builtin: rules rules/state rules/format
rules/sink: rules configs
rules/engine: rules rules/state rules/sink protocol protocol/records configs
rules/ruletest: rules rules/state rules/sink rules/engine protocol protocol/records protocol/wire configs

record/pcapng: rules record
record/scrub: protocol protocol/wire protocol/records
record: protocol protocol/records rules record/scrub
record/capture: record protocol

proxy/tap:
proxy/audit: protocol rules rules/sink proxy/tap configs
proxy/embedded:
proxy/registry: rules rules/state configs
proxy: protocol protocol/wire protocol/records protocol/messages rules rules/state rules/sink rules/engine record proxy/tap proxy/audit configs
proxy/admin: rules rules/state rules/sink proxy proxy/tap configs

cmd/warder: configs docs protocol protocol/records record record/capture record/pcapng record/scrub rules rules/state rules/sink rules/engine rules/builtin proxy proxy/tap proxy/audit proxy/admin proxy/embedded proxy/registry

test/bench: protocol/records rules/state
test/house:
test/captures: record
test/fakebroker:
test/fixtures:
test/fulldisk:
`

// modules says who may use what is not ours. A new line needs a reason: every
// module is code that we ship and must follow.
const modules = `
github.com/cespare/xxhash/v2: rules rules/state
github.com/fsnotify/fsnotify: configs
github.com/gopacket/gopacket: record/capture record/pcapng
github.com/grafana/pyroscope-go: cmd/warder
github.com/klauspost/compress: protocol/records record
github.com/oklog/ulid/v2: rules/engine
github.com/pierrec/lz4/v4: protocol/records
github.com/prometheus/client_golang: proxy proxy/admin
github.com/rs/zerolog: cmd/warder proxy proxy/admin proxy/audit record rules/engine rules/sink
github.com/spf13/cobra: cmd/warder
github.com/spf13/pflag: cmd/warder
github.com/twmb/franz-go/pkg/kadm: cmd/warder proxy/embedded
github.com/twmb/franz-go/pkg/kerr: cmd/warder proxy proxy/audit protocol protocol/messages
github.com/twmb/franz-go/pkg/kfake: proxy/embedded
github.com/twmb/franz-go/pkg/kgo: cmd/warder proxy proxy/audit proxy/embedded rules/sink
github.com/twmb/franz-go/pkg/kmsg: cmd/warder protocol protocol/messages proxy proxy/audit proxy/embedded
github.com/twmb/franz-go/pkg/kversion: proxy/embedded
github.com/twmb/franz-go/pkg/sasl: cmd/warder proxy
go.yaml.in/yaml/v4: configs
golang.org/x/net/bpf: record/capture
golang.org/x/sys/unix: record/capture
`

func lines(t *testing.T, text string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(text) {
		name, list, ok := strings.Cut(strings.TrimSpace(line), ":")
		if name == "" {
			continue
		}
		if !ok || all[name] != nil {
			t.Fatalf("line %q", line)
		}
		all[name] = append([]string{}, strings.Fields(list)...)
	}
	return all
}

func TestImportOrder(t *testing.T) {
	allowed := lines(t, order)
	seen := map[string]bool{}
	for _, s := range sources() {
		if strings.HasPrefix(s.path, "test/e2e/") || strings.HasPrefix(s.path, "test/browser/") || s.test() && s.pkg() != "rules/builtin" {
			continue
		}
		may, known := allowed[s.pkg()]
		if !known {
			t.Errorf("%s: package %s has no place in the order", s.path, s.pkg())
			continue
		}
		if s.test() {
			may = append(slices.Clone(may), "rules/builtin", "rules/ruletest")
		}
		ours, _ := s.imports()
		for _, path := range ours {
			seen[path] = true
			if !slices.Contains(may, path) {
				t.Errorf("%s imports %s: against the order", s.path, path)
			}
		}
	}
	if !seen["protocol"] || !seen["configs"] {
		t.Errorf("nothing was looked at: %v", seen)
	}
}

// The order itself must be one: nobody imports, over however many steps, itself.
func TestImportOrderHasNoCircle(t *testing.T) {
	allowed := lines(t, order)
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		if slices.Contains(path, name) {
			t.Fatalf("a circle: %v, %s", path, name)
		}
		if _, ok := allowed[name]; !ok {
			t.Fatalf("%s is allowed to %v but has no line", name, path)
		}
		for _, next := range allowed[name] {
			visit(next, append(slices.Clone(path), name))
		}
	}
	for name := range allowed {
		visit(name, nil)
	}
}

func TestModulesAreUsedWhereTheyMayBe(t *testing.T) {
	allowed := lines(t, modules)
	for _, s := range sources() {
		if s.test() || strings.HasPrefix(s.path, "test/") || s.pkg() == "rules/ruletest" { // not linked into the binary
			continue
		}
		_, foreign := s.imports()
		for _, path := range foreign {
			if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
				continue // the standard library
			}
			module := longestPrefix(allowed, path)
			if module == "" || !slices.Contains(allowed[module], s.pkg()) {
				t.Errorf("%s imports %s: not in the list of who may use what", s.path, path)
			}
		}
	}
}

func longestPrefix(modules map[string][]string, path string) string {
	best := ""
	for module := range modules {
		if (path == module || strings.HasPrefix(path, module+"/")) && len(module) > len(best) {
			best = module
		}
	}
	return best
}

// protocol is bytes in, values out: whoever holds it decides about sockets,
// time, logs and goroutines.
func TestProtocolIsPure(t *testing.T) {
	banned := []string{"net", "net/netip", "net/http", "context", "log", "log/slog", "os", "github.com/rs/zerolog"}
	looked := 0
	for _, s := range sources() {
		if !strings.HasPrefix(s.path, "protocol/") || s.test() || s.pkg() == "protocol/fixture" {
			continue
		}
		looked++
		_, foreign := s.imports()
		for _, path := range foreign {
			if slices.Contains(banned, path) {
				t.Errorf("%s imports %s", s.path, path)
			}
		}
		for _, line := range goStatements(s) {
			t.Errorf("%s:%d starts a goroutine", s.path, line)
		}
	}
	if looked == 0 {
		t.Error("no file of protocol was found")
	}
}
