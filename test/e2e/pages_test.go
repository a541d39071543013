package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"warder/test/e2e/kafka"
)

// kafkaTools are the scripts that Kafka is shipped with, as far as pages name them, and their classes.
var kafkaTools = map[string]string{
	"kafka-topics.sh":           "TopicCommand",
	"kafka-console-producer.sh": "ConsoleProducer",
	"kafka-console-consumer.sh": "consumer.ConsoleConsumer",
	"kafka-consumer-groups.sh":  "consumer.group.ConsumerGroupCommand",
}

// TestCommandsInPages runs what pages show to be done with Kafka's own tools: blocks of sh after a line `<!-- e2e -->`. The broker that
// they name is a warder that was started with flags only, as the pages do it.
func TestCommandsInPages(t *testing.T) {
	if directOnly {
		t.Skip("E2E_MODE=direct")
	}
	tools, err := writeTools(filepath.Join(w.run, "tools"))
	if err != nil {
		t.Fatal(err)
	}
	marked := regexp.MustCompile("(?s)<!-- e2e -->\n```sh\n(.*?)```")
	found := 0
	err = filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		page, err := os.ReadFile(path)
		for i, block := range marked.FindAllStringSubmatch(string(page), -1) {
			found++
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(path), i+1), func(t *testing.T) {
				t.Parallel()
				begin := time.Now()
				err := runBlock(t.Context(), tools, t.TempDir(), block[1])
				w.sums.add("page "+filepath.Base(path), "kafka's tools", "", err, nil, time.Since(begin))
				if err != nil {
					t.Error(err)
				}
			})
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d blocks in pages, %v", found, err)
	}
}

// writeTools makes a folder for the path: Kafka's scripts, and the warder under test.
func writeTools(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, class := range kafkaTools {
		script := fmt.Sprintf("#!/bin/sh\nexec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '%s/*' org.apache.kafka.tools.%s \"$@\"\n",
			filepath.Join(w.cache, kafka.Broker4), class)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil { //nolint:gosec // to be run
			return "", err
		}
	}
	err := os.Symlink(w.warderBin, filepath.Join(dir, "warder"))
	return dir, err
}

func runBlock(ctx context.Context, tools, dir, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	p, err := startBareWarder(ctx, "bare", w.three)
	if err != nil {
		return err
	}
	text = strings.NewReplacer("127.0.0.1:19092", p.addr["plain"], "kafka-1:9092", p.addr["plain"]).Replace(text)
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", text)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"), "WARDER_ADMIN="+p.admin)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s\n%s", err, text, out)
	}
	return nil
}
