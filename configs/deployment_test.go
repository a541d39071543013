package configs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// objects reads the Kubernetes objects of a file, each as JSON would have it.
func objects(t *testing.T, file string) (all []map[string]any) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	loader, err := yaml.NewLoader(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var o map[string]any
		if err := loader.Load(&o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, o)
	}
}

// dig follows keys and places in lists, like "spec.containers.0.name"; nil for what
// is not there.
func dig(v any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// shipped loads the configuration of a Kubernetes example, with a token in the place
// of its secret.
func shipped(t *testing.T, kind string) *Config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("kubernetes", kind, "warder.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "secret\n")
	c, err := Parse("warder.yaml", []byte(strings.ReplaceAll(string(text), "/etc/warder/secret/token", token)), nil, Overrides{Rules: []string{"tombstone"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A container of warder has what operators ask for, and time to drain.
func TestKubernetesContainers(t *testing.T) {
	for kind, at := range map[string]string{"sidecar": "initContainers", "gateway": "containers"} {
		cfg := shipped(t, kind)
		pod := dig(objects(t, filepath.Join("kubernetes", kind, "deployment.yaml"))[0], "spec.template.spec")
		c := dig(pod, at+".0")
		for path, want := range map[string]any{
			"name": "warder", "securityContext.allowPrivilegeEscalation": false, "securityContext.readOnlyRootFilesystem": true,
			"securityContext.capabilities.drop.0": "ALL", "livenessProbe.httpGet.path": "/healthz", "livenessProbe.httpGet.port": "admin",
			"resources.limits.cpu": nil, "args.0": "run", "args.2": "/etc/warder/config/warder.yaml",
		} {
			if got := dig(c, path); got != want {
				t.Errorf("%s: %s is %v, want %v", kind, path, got, want)
			}
		}
		for _, path := range []string{"resources.requests.memory", "resources.limits.memory", "startupProbe.httpGet.path"} {
			if dig(c, path) == nil {
				t.Errorf("%s: no %s", kind, path)
			}
		}
		if kind == "sidecar" && dig(c, "restartPolicy") != "Always" {
			t.Error("an init container that is no sidecar")
		}
		if dig(pod, "securityContext.runAsNonRoot") != true || dig(pod, "automountServiceAccountToken") != false {
			t.Errorf("%s: the pod may do more than it must", kind)
		}
		grace, _ := dig(pod, "terminationGracePeriodSeconds").(int)
		sleep, _ := dig(c, "lifecycle.preStop.sleep.seconds").(int)
		if need := cfg.Drain.Deadline + time.Duration(sleep)*time.Second; time.Duration(grace)*time.Second <= need {
			t.Errorf("%s: killed after %d s, while draining may take %s", kind, grace, need)
		}
	}
}

// The Service of the gateway has a port for each of the listener's.
func TestKubernetesServiceHasAllPorts(t *testing.T) {
	l := shipped(t, "gateway").Listeners[0]
	want := []string{fmt.Sprint(l.Address.Port())}
	for port := int(l.Ports.First); port <= int(l.Ports.Last); port++ {
		want = append(want, strconv.Itoa(port))
	}
	var got []string
	ports, _ := dig(objects(t, "kubernetes/gateway/service.yaml")[0], "spec.ports").([]any)
	for _, p := range ports {
		if dig(p, "port") != dig(p, "targetPort") {
			t.Errorf("%v: clients are told the port of warder", p)
		}
		got = append(got, fmt.Sprint(dig(p, "port")))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the Service has ports %v, the listener %v", got, want)
	}
	policy := objects(t, "kubernetes/gateway/networkpolicy.yaml")[1]
	if first, last := dig(policy, "spec.ingress.0.ports.1.port"), dig(policy, "spec.ingress.0.ports.1.endPort"); first != int(l.Ports.First) || last != int(l.Ports.Last) {
		t.Errorf("the policy lets in %v to %v", first, last)
	}
}

// systemd waits for the drain, and the unit's files are where its comment says.
func TestSystemdUnit(t *testing.T) {
	text, err := os.ReadFile("systemd/warder.service")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(\w+)$`).FindSubmatch(text)
	if m == nil {
		t.Fatal("no TimeoutStopSec")
	}
	if d, err := time.ParseDuration(string(m[1])); err != nil || d <= Default().Drain.Deadline {
		t.Errorf("killed after %s, while draining may take %s", m[1], Default().Drain.Deadline)
	}
	for _, line := range []string{"ExecStartPre=/usr/bin/warder check --config /etc/warder/warder.yaml", "ExecStart=/usr/bin/warder run --config /etc/warder/warder.yaml", "DynamicUser=yes"} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
