package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"warder/test/e2e/kafka"
)

// tool runs a command that talks to the cluster, watched when it works through warder, and gives its output.
func tool(ctx context.Context, mode, input string, cmd *exec.Cmd) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Start(); err != nil {
		return "", err
	}
	if mode == "warder" {
		w.watch.Add(cmd.Process.Pid, filepath.Base(cmd.Path)+" "+strings.Join(cmd.Args[1:], " "))
		defer w.watch.Remove(cmd.Process.Pid)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return "", fmt.Errorf("%v: %w\n%s%s", cmd.Args, err, out.String(), errs.String())
		}
		return out.String(), nil
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		return "", fmt.Errorf("%v: %w, killed: %w\n%s%s", cmd.Args, ctx.Err(), <-ended, out.String(), errs.String())
	}
}

// TestTools has kcat and Kafka's console tools work with nothing but a bootstrap address, direct and through warder.
func TestTools(t *testing.T) {
	if err := kafka.Need("kcat", "kcat (Debian: apt-get install kcat)"); err != nil {
		t.Fatal(err)
	}
	compareTool(t, "kcat", kcat)
	compareTool(t, "console-tools", consoleTools)
}

func compareTool(t *testing.T, name string, run func(ctx context.Context, mode, bootstrap string) (any, error)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		conns := map[string]M{"direct": threeDirect()}
		if !directOnly {
			through, err := throughBare(ctx)
			if err != nil {
				t.Fatal(err)
			}
			conns["warder"] = through
		}
		results := map[string]string{}
		var err error
		for mode, conn := range conns {
			result, failed := run(ctx, mode, conn["bootstrap"].(string))
			if failed != nil {
				err = fmt.Errorf("%s: %w", mode, failed)
				break
			}
			text, _ := json.Marshal(result)
			results[mode] = string(text)
		}
		if err == nil && !directOnly && results["direct"] != results["warder"] {
			err = fmt.Errorf("results differ:\n direct %s\n warder %s", results["direct"], results["warder"])
		}
		w.sums.add("tools", name, "", err, nil, time.Since(begin))
		if err != nil {
			t.Error(err)
		}
	})
}

// kcat lists, produces with keys and null values, consumes, and reads in a group.
func kcat(ctx context.Context, mode, bootstrap string) (any, error) {
	topic := "kcat." + mode
	if err := adminCreate(ctx, topic); err != nil {
		return nil, err
	}
	run := func(input string, args ...string) (string, error) {
		return tool(ctx, mode, input, exec.Command("kcat", append([]string{"-b", bootstrap, "-m", "20"}, args...)...))
	}
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, "k%d:%s\n", i, map[bool]string{true: "", false: fmt.Sprint("value ", i)}[i%50 == 7])
	}
	if _, err := run(lines.String(), "-P", "-t", topic, "-K", ":", "-Z", "-z", "gzip", "-H", "from=kcat"); err != nil {
		return nil, err
	}
	read, err := run("", "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", `%p %k %S %s %h\n`)
	if err != nil {
		return nil, err
	}
	group, err := run("", "-G", topic+".group", "-q", "-e", "-c", "1000", "-X", "auto.offset.reset=earliest", "-f", `%p %k\n`, topic)
	if err != nil {
		return nil, err
	}
	list, err := run("", "-L", "-J", "-t", topic)
	if err != nil {
		return nil, err
	}
	brokers, err := kcatBrokers(mode, list)
	return M{"read": sortedLines(read), "group": sortedLines(group), "brokers": brokers}, err
}

// kcatBrokers checks the addresses in kcat's listing and returns the ids.
func kcatBrokers(mode, list string) ([]int, error) {
	var l struct {
		Brokers []struct {
			ID   int
			Name string
		}
	}
	if err := json.Unmarshal([]byte(list), &l); err != nil {
		return nil, fmt.Errorf("%w: %s", err, list)
	}
	direct := w.three.Bootstrap(kafka.Plaintext)
	var ids []int
	for _, b := range l.Brokers {
		ids = append(ids, b.ID)
		if strings.Contains(direct+",", b.Name+",") != (mode == "direct") {
			return nil, fmt.Errorf("kcat was told that broker %d is at %s", b.ID, b.Name)
		}
	}
	sort.Ints(ids)
	return ids, nil
}

func sortedLines(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	sort.Strings(lines)
	return lines
}

func adminCreate(ctx context.Context, topic string) error {
	return w.admin.Call(ctx, "create_topic", M{"conn": threeDirect(), "name": topic, "partitions": 3, "replication": 3}, nil)
}

// consoleTools creates, describes, fills, reads and deletes a topic with the tools that come with Kafka.
func consoleTools(ctx context.Context, mode, bootstrap string) (any, error) {
	topic := "console." + mode
	jars := filepath.Join(w.cache, kafka.Broker4)
	var failed error
	run := func(input, class string, args ...string) string {
		if failed != nil {
			return ""
		}
		all := append([]string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jars + "/*", "org.apache.kafka.tools." + class, "--bootstrap-server", bootstrap}, args...)
		var out string
		out, failed = tool(ctx, mode, input, exec.Command("java", all...))
		return strings.ReplaceAll(out, mode, "MODE")
	}
	var lines strings.Builder
	for i := range 200 {
		fmt.Fprintf(&lines, "k%d=v%d\n", i, i)
	}
	run("", "TopicCommand", "--create", "--topic", topic, "--partitions", "3", "--replication-factor", "3")
	described := run("", "TopicCommand", "--describe", "--topic", topic)
	run(lines.String(), "ConsoleProducer", "--topic", topic, "--reader-property", "parse.key=true", "--reader-property", "key.separator==")
	read := run("", "consumer.ConsoleConsumer", "--topic", topic, "--from-beginning", "--max-messages", "200", "--timeout-ms", "60000", "--group", topic+".group",
		"--formatter-property", "print.key=true")
	verified := run("", "VerifiableProducer", "--topic", topic, "--max-messages", "100", "--acks", "-1")
	group := run("", "consumer.group.ConsumerGroupCommand", "--describe", "--group", topic+".group", "--offsets")
	offsets := run("", "GetOffsetShell", "--topic", topic)
	run("", "TopicCommand", "--delete", "--topic", topic)
	if failed != nil {
		return nil, failed
	}
	return M{"described partitions": strings.Count(described, "Leader:"), "read": sortedLines(read), "verified": strings.Count(verified, "producer_send_success"),
		"group rows": strings.Count(group, "console.MODE "), "offset rows": len(sortedLines(offsets))}, nil
}

// TestCheck prints the table of addresses that the README promises.
func TestCheck(t *testing.T) {
	if directOnly {
		t.Skip("E2E_MODE=direct")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p := &proxy{name: "check", addr: map[string]string{}}
	file, err := p.configure(proxySpec{cluster: w.three, upstream: kafka.Plaintext, listeners: []listenerSpec{{name: "plain"}}})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	out, err := tool(ctx, "check", "", exec.Command(w.warderBin, "check", "--config", file, "--connect"))
	if err == nil {
		err = addressTable(out)
	}
	w.sums.add("tools", "check --connect", "", err, nil, time.Since(begin))
	if err != nil {
		t.Error(err)
	}
}

func addressTable(out string) error {
	for _, b := range w.three.Brokers {
		if !strings.Contains(out, b.Addr(kafka.Plaintext)) {
			return fmt.Errorf("the table does not name broker %d at %s:\n%s", b.ID, b.Addr(kafka.Plaintext), out)
		}
	}
	return nil
}
