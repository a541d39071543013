package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// With BENCH_KAFKA=1 the same is asked in front of a real broker, with the Java client as the load: how much CPU the process in between
// uses for a record that such a client writes or reads. The client is the bottleneck, so records a second say nothing of proxies.

const kafkaJars = "test/e2e/kafka/jars/broker-4.3.1.xml"

// kafkaSample is one run of the Java client through one target.
type kafkaSample struct {
	Load, Target string
	Round        int
	Records      int
	Seconds, CPU float64
	AckP50       float64 // µs; 0 for consumers
}

// The loads of the Java client.
const (
	javaLZ4     = "produce lz4"
	javaNone    = "produce none"
	javaConsume = "consume lz4"
	javaTrickle = "1,000 requests/s of 1 KB"
)

type javaLoad struct {
	name    string
	records int
	args    func(records int) []string // behind the bootstrap address
}

var javaLoads = []javaLoad{
	{javaLZ4, 2_000_000, func(n int) []string { return []string{"produce", "users-lz4", strconv.Itoa(n), "lz4"} }},
	{javaNone, 1_500_000, func(n int) []string { return []string{"produce", "users-none", strconv.Itoa(n), "none"} }},
	{javaConsume, 2_000_000, func(n int) []string { return []string{"consume", "users-lz4", strconv.Itoa(n)} }},
	{javaTrickle, 5_000, func(n int) []string { return []string{"trickle", "users-none", strconv.Itoa(n), "1000"} }},
}

// kafkaTargets are compared in front of Kafka. A relay has no place there: nobody would rewrite the broker's address.
var kafkaTargets = []string{direct, haproxy, warderOff, warderNulls, warderAlert}

// realKafka is a broker with a listener for clients that come directly, or through warder, and one whose clients are told to come through HAProxy.
type realKafka struct {
	jars          string
	plain, behind string // where they listen
	through       string // what clients of the second are told
}

func (b *bench) runKafka() error {
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.result.skip(tool + " is missing: nothing was measured with real Kafka.")
			return nil
		}
	}
	k, stop, err := b.startKafka()
	if err != nil {
		return fmt.Errorf("starting Kafka: %w", err)
	}
	defer stop()
	chosen, err := b.chosen()
	if err != nil {
		return err
	}
	var all []*running
	defer func() {
		for _, r := range all {
			r.stop()
		}
	}()
	for _, t := range chosen {
		if !slices.Contains(kafkaTargets, t.name) {
			continue
		}
		r, err := b.startBeforeKafka(t, k)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	for round := range min(b.rounds, 3) {
		for i := range javaLoads {
			for _, r := range all {
				if !r.measured() && javaLoads[i].name != javaTrickle {
					continue // there is no process to measure, and the times of the others say nothing
				}
				s, err := b.java(k, &javaLoads[i], r)
				if err != nil {
					return fmt.Errorf("%s with Kafka, %s: %w", javaLoads[i].name, r.name, err)
				}
				s.Round = round
				b.result.Kafka = append(b.result.Kafka, s)
			}
		}
		report("round %d with Kafka", round+1)
	}
	return nil
}

// startBeforeKafka starts a target; HAProxy on the address that the broker tells its clients.
func (b *bench) startBeforeKafka(t target, k *realKafka) (*running, error) {
	if t.name == haproxy {
		r := &running{target: t, addr: k.through}
		return r, b.haproxyAt(r, k.behind)
	}
	return b.startBefore(t, k.plain)
}

// java runs the Java client and takes the CPU time of the target meanwhile.
func (b *bench) java(k *realKafka, l *javaLoad, r *running) (s kafkaSample, err error) {
	s = kafkaSample{Load: l.name, Target: r.name, Records: l.records}
	if b.short {
		s.Records /= 20
	}
	args := l.args(s.Records)
	args = slices.Insert(args, 1, r.addr)
	cmd := exec.CommandContext(b.ctx, "java", append([]string{"-Xmx256m", "-XX:+UseSerialGC", "-cp", k.jars + "/*", "test/bench/javaload/Load.java"}, args...)...)
	cmd.SysProcAttr = dieWithUs()
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	if err := cmd.Start(); err != nil {
		return s, err
	}
	watched := s.watch(bufio.NewScanner(out), r)
	if err := cmd.Wait(); err != nil {
		return s, fmt.Errorf("%w\n%s", err, problems.String())
	}
	return s, watched
}

// watch takes the CPU time from the client's first line, when it has connected, to its second, when all is done.
func (s *kafkaSample) watch(lines *bufio.Scanner, r *running) error {
	var idle meter
	var at [2]point
	for i := range at {
		if !lines.Scan() {
			return errors.New("the client said nothing")
		}
		var err error
		if at[i], err = r.point(&idle); err != nil {
			return err
		}
	}
	s.Seconds, s.CPU = at[1].at.Sub(at[0].at).Seconds(), (at[1].cpu - at[0].cpu).Seconds()
	var err error
	s.AckP50, err = strconv.ParseFloat(lines.Text(), 64)
	return err
}

// startKafka installs Kafka's jars through Maven unless that was done, by us or by the end-to-end tests, and starts one broker.
func (b *bench) startKafka() (*realKafka, func(), error) {
	k := &realKafka{}
	var err error
	if k.jars, err = b.kafkaJars(); err != nil {
		return nil, nil, err
	}
	first, err := b.freePorts(4)
	if err != nil {
		return nil, nil, err
	}
	k.plain, k.behind, k.through = hostPort(first), hostPort(first+1), hostPort(first+2)
	properties := b.file("server.properties")
	text := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[4]s
listeners=PLAIN://%[1]s,BEHIND://%[2]s,CONTROLLER://%[4]s
advertised.listeners=PLAIN://%[1]s,BEHIND://%[3]s
listener.security.protocol.map=PLAIN:PLAINTEXT,BEHIND:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
log.dirs=%[5]s
offsets.topic.replication.factor=1
log.cleaner.enable=false
auto.create.topics.enable=false
`, k.plain, k.behind, k.through, hostPort(first+3), b.file("kafka"))
	if err := os.WriteFile(properties, []byte(text), 0o600); err != nil {
		return nil, nil, err
	}
	class := func(main string, args ...string) []string {
		return append([]string{"-Xmx512m", "-XX:+UseSerialGC", "-cp", k.jars + "/*", main}, args...)
	}
	format := exec.CommandContext(b.ctx, "java", class("kafka.tools.StorageTool", "format", "-t", "d2FyZGVyLWJlbmNoLTAwMQ", "-c", properties)...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("formatting: %w\n%s", err, out)
	}
	r := &running{target: target{name: "Kafka"}, addr: k.plain}
	if err := b.command(r, "java", class("kafka.Kafka", properties)...); err != nil {
		return nil, nil, err
	}
	return k, r.stop, createTopics(b.ctx, k.plain)
}

// kafkaJars gives the folder of the jars that the end-to-end tests use.
func (b *bench) kafkaJars() (string, error) {
	dir, err := filepath.Abs("test/e2e/.cache/broker-4.3.1")
	if err != nil {
		return "", err
	}
	if found, _ := filepath.Glob(dir + "/kafka-clients-*.jar"); len(found) > 0 {
		return dir, nil
	}
	report("installing Kafka's jars")
	dir, err = filepath.Abs(".cache/bench-kafka")
	if err != nil {
		return "", err
	}
	mvn := exec.CommandContext(b.ctx, "mvn", "-q", "-B", "-f", kafkaJars, "dependency:copy-dependencies", "-DoutputDirectory="+dir)
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mvn: %w\n%s", err, out)
	}
	return dir, nil
}

func createTopics(ctx context.Context, bootstrap string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, name := range []string{"users-lz4", "users-none"} {
		created, err := kadm.NewClient(client).CreateTopic(ctx, 6, 1, map[string]*string{"cleanup.policy": new("compact")}, name)
		if err := errors.Join(err, created.Err); err != nil {
			return err
		}
	}
	return nil
}

// kafkaValues gives a figure of each round.
func (r *result) kafkaValues(load, target string, of func(*kafkaSample) float64) []float64 {
	return r.overRounds(func(round int) (float64, bool) {
		s := r.kafkaSample(load, target, round)
		if s == nil {
			return 0, false
		}
		return of(s), true
	})
}

// kafkaRatios compares CPU per record with HAProxy's inside each round.
func (r *result) kafkaRatios(load, target string) []float64 {
	return r.overRounds(func(round int) (float64, bool) {
		x, y := r.kafkaSample(load, target, round), r.kafkaSample(load, haproxy, round)
		if x == nil || y == nil {
			return 0, false
		}
		return x.perRecord() / y.perRecord(), true
	})
}

// perRecord is CPU time in µs.
func (s *kafkaSample) perRecord() float64 { return s.CPU / float64(s.Records) * 1e6 }

func (r *result) kafkaSample(load, target string, round int) *kafkaSample {
	for i := range r.Kafka {
		if s := &r.Kafka[i]; s.Load == load && s.Target == target && s.Round == round {
			return s
		}
	}
	return nil
}

func (r *result) kafkaGoals() []goal {
	const unit = "× HAProxy"
	return []goal{
		{"Kafka: " + javaLZ4 + ", tombstone blocks, CPU per record", 2.3, false, unit, r.kafkaRatios(javaLZ4, warderNulls)},
		{"Kafka: " + javaNone + ", tombstone blocks, CPU per record", 1.6, false, unit, r.kafkaRatios(javaNone, warderNulls)},
		{"Kafka: " + javaConsume + ", tombstone blocks, CPU per record", 1.2, false, unit, r.kafkaRatios(javaConsume, warderNulls)},
		{"Kafka: " + javaTrickle + ", no rules, CPU", 1.5, false, unit, r.kafkaRatios(javaTrickle, warderOff)},
	}
}

func (r *result) writeKafka(t *strings.Builder) {
	if len(r.Kafka) == 0 {
		return
	}
	heading(t, "In front of Apache Kafka 4.3.1, with the Java client")
	t.WriteString("CPU of the process in between, in µs for a record; in parentheses as a multiple of HAProxy in the same round. Times of acknowledgements are medians.\n\n")
	var all table
	head := []string{"µs per record"}
	for _, s := range r.Kafka {
		if !slices.Contains(head, s.Target) && s.Target != direct {
			head = append(head, s.Target)
		}
	}
	all.row(head...)
	for _, l := range javaLoads {
		row := []string{l.name}
		for _, target := range head[1:] {
			f, _ := figureOf(r.kafkaValues(l.name, target, (*kafkaSample).perRecord))
			text := f.text()
			if ratio, ok := figureOf(r.kafkaRatios(l.name, target)); ok && target != haproxy {
				text += " (" + number(ratio.median) + ")"
			}
			row = append(row, text)
		}
		all.row(row...)
	}
	all.write(t)
	r.writeAcks(t)
}

// writeAcks tells how long small requests take.
func (r *result) writeAcks(t *strings.Builder) {
	var acks table
	acks.row(javaTrickle, "acknowledged after, µs")
	for _, target := range kafkaTargets {
		if f, ok := figureOf(r.kafkaValues(javaTrickle, target, func(s *kafkaSample) float64 { return s.AckP50 })); ok {
			acks.row(target, f.spread())
		}
	}
	acks.write(t)
}
