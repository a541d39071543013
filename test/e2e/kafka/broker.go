package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Broker is one broker process, which may be stopped and started again.
type Broker struct {
	ID      int
	first   int // port of the first listener
	cluster *Cluster
	dir     string
	moved   bool // Link is advertised at the second of its ports

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// linkPorts are two ports where nothing listens: the Link listener is advertised at one of them, and after Move at the other.
const linkPorts = 2

// Addr is the broker's address on one listener, as it tells clients.
func (b *Broker) Addr(l Listener) string {
	switch {
	case l == Link && b.moved:
		return b.Bound(listeners + 1)
	case l == Link:
		return b.Bound(listeners)
	}
	return b.Bound(l)
}

// Bound is where the broker listens for connections to one listener.
func (b *Broker) Bound(l Listener) string { return fmt.Sprintf("127.0.0.1:%d", b.first+int(l)) }

// Move has the broker, which must not be running, advertise Link at its other address from its next start on.
func (b *Broker) Move() error {
	b.moved = !b.moved
	return os.WriteFile(b.config(), []byte(b.properties()), 0o600)
}

func (b *Broker) java(main string, args ...string) *exec.Cmd {
	all := []string{"-Xmx384m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j.configurationFile=" + filepath.Join(b.dir, "log4j2.properties"),
		"-Dlog4j.configuration=file:" + filepath.Join(b.dir, "log4j.properties"), "-cp", b.cluster.jars + "/*", main}
	cmd := exec.Command("java", append(all, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (b *Broker) format() error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"server.properties": b.properties(), "log4j2.properties": log4j2, "log4j.properties": log4j1} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	args := []string{"format", "-t", "d2FyZGVyLWUyZS0wMDAwMQ", "-c", b.config()}
	for _, m := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "-S", fmt.Sprintf("%s=[name=%s,password=%s]", m, User, Password))
	}
	if out, err := b.java("kafka.tools.StorageTool", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("formatting broker %d: %w\n%s", b.ID, err, out)
	}
	return nil
}

func (b *Broker) config() string { return filepath.Join(b.dir, "server.properties") }

// Start starts the process; WaitReady tells when it answers.
func (b *Broker) Start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	log, err := os.OpenFile(b.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := b.java("kafka.Kafka", b.config())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	b.cmd, b.done = cmd, done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	return nil
}

// Log is the file with everything the broker printed.
func (b *Broker) Log() string { return filepath.Join(b.dir, "broker.log") }

// WaitReady waits until every listener accepts connections: brokers open them last, when they are caught up and unfenced.
func (b *Broker) WaitReady(ctx context.Context) error {
	return poll(ctx, fmt.Sprintf("broker %d to be ready, log %s", b.ID, b.Log()), func() error {
		select {
		case <-b.done:
			return errors.New("the process has ended")
		default:
		}
		for l := range controller {
			conn, err := net.DialTimeout("tcp", b.Bound(l), time.Second)
			if err != nil {
				return err
			}
			_ = conn.Close()
		}
		return nil
	})
}

// Kill ends the process with SIGKILL and waits for it.
func (b *Broker) Kill() { b.end(syscall.SIGKILL) }

// Shutdown ends the process in its orderly way (leaders move away first) and waits for it.
func (b *Broker) Shutdown() { b.end(syscall.SIGTERM) }

func (b *Broker) end(sig syscall.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Signal(sig)
	<-b.done
	b.cmd = nil
}

func (b *Broker) properties() string {
	var listen, advertised []string
	for l := range listeners {
		listen = append(listen, listenerNames[l]+"://"+b.Bound(l))
		if l != controller {
			advertised = append(advertised, listenerNames[l]+"://"+b.Addr(l))
		}
	}
	replicas := len(b.cluster.Brokers)
	p := []string{
		"process.roles=broker,controller", fmt.Sprint("node.id=", b.ID), "controller.quorum.voters=" + b.cluster.voters(),
		"listeners=" + strings.Join(listen, ","), "advertised.listeners=" + strings.Join(advertised, ","),
		"log.dirs=" + filepath.Join(b.dir, "data"),
		fmt.Sprint("offsets.topic.replication.factor=", replicas), fmt.Sprint("transaction.state.log.replication.factor=", replicas),
		fmt.Sprint("transaction.state.log.min.isr=", min(replicas, 2)), fmt.Sprint("share.coordinator.state.topic.replication.factor=", replicas),
		fmt.Sprint("share.coordinator.state.topic.min.isr=", min(replicas, 2)), fmt.Sprint("min.insync.replicas=", min(replicas, 2)),
		fmt.Sprint("auto.create.topics.enable=", replicas == 1), common, b.security(),
	}
	return strings.Join(p, "\n") + "\n"
}

func (b *Broker) security() string {
	store := b.cluster.Certs
	jaas := "org.apache.kafka.common.security."
	p := []string{
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + store.ServerStore, "ssl.truststore.type=PEM", "ssl.truststore.location=" + store.CA,
		"listener.name.mtls.ssl.client.auth=required",
	}
	for _, l := range []string{"sasl", "sasltls"} {
		name := "listener.name." + l + "."
		p = append(p, name+"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
			fmt.Sprintf(`%splain.sasl.jaas.config=%splain.PlainLoginModule required user_%s="%s";`, name, jaas, User, Password),
			name+"scram-sha-256.sasl.jaas.config="+jaas+"scram.ScramLoginModule required;",
			name+"scram-sha-512.sasl.jaas.config="+jaas+"scram.ScramLoginModule required;")
	}
	return strings.Join(p, "\n")
}

// common makes one-machine clusters quick: small coordinator topics, no waiting for group members, early failure detection, and
// a log cleaner that compacts as soon as a segment is closed. Leaders move only when a test moves them, and records stay
// however old their timestamps say they are, but on topics whose own retention.ms says otherwise: those are looked at each second.
// Coordinators leave transactions alone that are open for too long: when they look for them would be luck.
const common = `controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,MTLS:SSL,SASL:SASL_PLAINTEXT,SASLTLS:SASL_SSL,LINK:PLAINTEXT
auto.leader.rebalance.enable=false
log.retention.ms=-1
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=3600000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=10000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=500
group.streams.min.heartbeat.interval.ms=500
group.streams.heartbeat.interval.ms=500
group.streams.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=3
transaction.state.log.num.partitions=3
share.coordinator.state.topic.num.partitions=3
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
replica.lag.time.max.ms=5000
replica.fetch.max.bytes=16777216
message.max.bytes=8388608
socket.request.max.bytes=104857600
log.cleaner.backoff.ms=200
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=1
num.io.threads=4
background.threads=2
controlled.shutdown.max.retries=3`

const log4j2 = `rootLogger.level=WARN
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d %p %m (%c)%n
`

const log4j1 = `log4j.rootLogger=WARN, C
log4j.appender.C=org.apache.log4j.ConsoleAppender
log4j.appender.C.layout=org.apache.log4j.PatternLayout
log4j.appender.C.layout.ConversionPattern=%d %p %m (%c)%n
`
