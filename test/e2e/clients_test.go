package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"warder/test/e2e/driver"
	"warder/test/e2e/kafka"
)

// client is one client library and how its driver is installed and started.
type client struct {
	name    string
	install func(ctx context.Context, cache string) error
	command func(cache string) *exec.Cmd
}

var clients = map[string]*client{
	"java":         {"java", installJava, javaCommand},
	"librdkafka":   python("librdkafka"),
	"kafka-python": pythonNamed("kafka-python", "kafkapython"),
	"kafkajs":      {"kafkajs", installNode, nodeCommand},
	"sarama":       goClient("sarama", "gosarama"),
	"franz-go":     goClient("franz-go", "gofranz"),
}

// directOnly runs nothing through warder (E2E_MODE=direct): for work on the tests themselves.
var directOnly = os.Getenv("E2E_MODE") == "direct"

// selectedClients is all of them, or those of E2E_CLIENTS (names, commas); Java is always installed, since the tests use it themselves.
func selectedClients() []*client {
	var all []*client
	for _, n := range clientNames() {
		all = append(all, clients[n])
	}
	if !strings.Contains(strings.Join(clientNames(), ","), "java") {
		all = append(all, clients["java"])
	}
	return all
}

func clientNames() []string {
	if some := os.Getenv("E2E_CLIENTS"); some != "" {
		return strings.Split(some, ",")
	}
	var all []string
	for n := range clients {
		all = append(all, n)
	}
	sort.Strings(all)
	return all
}

func runIn(ctx context.Context, dir string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// sources reads files to be used as a recipe: a change in any of them installs anew.
func sources(patterns ...string) ([]string, error) {
	var texts []string
	for _, p := range patterns {
		files, err := filepath.Glob(p)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("no file %s", p)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			texts = append(texts, string(text))
		}
	}
	return texts, nil
}

// installed runs make in an emptied dir unless dir already holds the outcome of the same files.
func installed(dir string, files []string, make func() error) error {
	recipe, err := sources(files...)
	if err != nil {
		return err
	}
	if kafka.Installed(dir, recipe...) {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := make(); err != nil {
		return err
	}
	return kafka.MarkInstalled(dir, recipe...)
}

func installJava(ctx context.Context, cache string) error {
	if err := kafka.Need("javac", "a JDK, 17 or newer (Debian: apt-get install openjdk-17-jdk-headless)"); err != nil {
		return err
	}
	jars, err := kafka.Jars(cache, kafka.JavaClient)
	if err != nil {
		return err
	}
	dir := filepath.Join(cache, "java-driver")
	return installed(dir, []string{"clients/java/*.java"}, func() error {
		files, err := filepath.Glob("clients/java/*.java")
		if err != nil {
			return err
		}
		return runIn(ctx, ".", "javac", append([]string{"-d", dir, "-cp", jars + "/*"}, files...)...)
	})
}

func javaCommand(cache string) *exec.Cmd {
	cp := filepath.Join(cache, "java-driver") + ":" + filepath.Join(cache, kafka.JavaClient) + "/*"
	return exec.Command("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", cp, "Driver")
}

func python(name string) *client { return pythonNamed(name, name) }

func pythonNamed(name, folder string) *client {
	venv := func(cache string) string { return filepath.Join(cache, "venv-"+folder) }
	requirements := filepath.Join("clients", folder, "requirements.txt")
	return &client{name, func(ctx context.Context, cache string) error {
		if err := kafka.Need("python3", "Python 3 with venv (Debian: apt-get install python3-venv)"); err != nil {
			return err
		}
		dir := venv(cache)
		return installed(dir, []string{requirements}, func() error {
			if err := runIn(ctx, ".", "python3", "-m", "venv", dir); err != nil {
				return err
			}
			return runIn(ctx, ".", filepath.Join(dir, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "-r", requirements)
		})
	}, func(cache string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(venv(cache), "bin", "python"), "-u", filepath.Join("clients", folder, "driver.py"))
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		return cmd
	}}
}

func installNode(ctx context.Context, cache string) error {
	for _, program := range []string{"node", "npm"} {
		if err := kafka.Need(program, "Node.js 20 with npm"); err != nil {
			return err
		}
	}
	dir := filepath.Join(cache, "kafkajs")
	files := []string{"clients/kafkajs/package.json", "clients/kafkajs/package-lock.json"}
	return installed(dir, files, func() error {
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), text, 0o644); err != nil {
				return err
			}
		}
		return runIn(ctx, dir, "npm", "ci", "--silent", "--no-audit", "--no-fund")
	})
}

func nodeCommand(cache string) *exec.Cmd {
	cmd := exec.Command("node", "clients/kafkajs/driver.js")
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(cache, "kafkajs", "node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING=1")
	return cmd
}

func goClient(name, folder string) *client {
	bin := func(cache string) string { return filepath.Join(cache, "bin", folder) }
	return &client{name, func(ctx context.Context, cache string) error {
		return runIn(ctx, ".", "go", "build", "-o", bin(cache), "./clients/"+folder)
	}, func(cache string) *exec.Cmd { return exec.Command(bin(cache)) }}
}

// drivers are the running ones by client and mode.
var drivers struct {
	sync.Mutex
	all map[string]*driver.Driver
}

// startDriver gives the one driver process of a client and mode, started when first asked for. A watched one must never
// own a socket to a broker.
func startDriver(ctx context.Context, c *client, mode string, watched bool) (*driver.Driver, error) {
	drivers.Lock()
	defer drivers.Unlock()
	key := c.name + "-" + mode
	if d := drivers.all[key]; d != nil {
		return d, nil
	}
	d, err := driver.Start(ctx, c.command(w.cache), filepath.Join(w.run, "driver-"+key+".log"))
	if err != nil {
		return nil, err
	}
	if watched {
		w.watch.Add(d.PID(), key)
	}
	if drivers.all == nil {
		drivers.all = map[string]*driver.Driver{}
	}
	drivers.all[key] = d
	return d, nil
}

func stopDrivers() {
	drivers.Lock()
	defer drivers.Unlock()
	for _, d := range drivers.all {
		_ = d.Close()
	}
}
