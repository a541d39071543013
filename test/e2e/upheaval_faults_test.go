package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"warder/test/e2e/kafka"
)

// quickClients are those that notice faults and recover in seconds, and whose drivers tell how long an acknowledgement took.
var quickClients = []string{"java", "librdkafka", "franz-go"}

// TestFaults has warder end and reload under load, and the network between the brokers and those that connect to them fail, directly and through warder.
func TestFaults(t *testing.T) {
	n := layNetwork(t)
	far := upheaval{clients: quickClients, direct: n.direct, warder: throughFar}
	t.Run("together", func(t *testing.T) { // they wait more than they work, and nothing of one touches the others
		t.Run("warder", func(t *testing.T) {
			t.Parallel()
			upheave(t, warderEnds)
			upheave(t, reloads)
		})
		t.Run("network", func(t *testing.T) {
			t.Parallel()
			upheave(t, far.when("black-hole", 10, n.blackHole))
			upheave(t, far.when("slow-brokers", 6, n.slow))
			upheave(t, far.when("cut-in-frames", 7, n.cuts))
		})
	})
	t.Run("broker-moved", func(t *testing.T) { upheave(t, far.when("broker-moved", 14, n.moveBroker)) })
}

// when makes another upheaval of the same clients.
func (u upheaval) when(name string, seconds int, happen func(ctx context.Context, lanes []*lane) error) upheaval {
	u.name, u.seconds, u.happen = name, seconds, happen
	return u
}

// warderEnds has producers without idempotence: what is sent again though it was stored is stored twice, so every request that reached a broker
// has to be answered. One request at a time keeps the order. franz-go is left out since it gives such records up that were in flight.
var warderEnds = upheaval{
	name: "warder-ended", clients: []string{"java", "librdkafka"}, modes: throughOnly, seconds: 6,
	producer: M{"idempotent": false, "max_in_flight": 1},
	warder:   func(ctx context.Context) (M, error) { return throughOwn(ctx, "ended", kafka.Plaintext, "") },
	happen:   endWarder,
}

// endWarder has warder drain, three times, and starts it again on the same ports.
func endWarder(ctx context.Context, lanes []*lane) error {
	p := warderNamed("ended")
	for step := range 3 {
		if err := underLoad(ctx, lanes, int64((step+1)*300)); err != nil {
			return err
		}
		if err := p.terminate(); err != nil {
			return err
		}
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reloads has a rule on other topics that would refuse every record of the lanes.
var reloads = upheaval{
	name: "reloads", clients: quickClients, modes: throughOnly, seconds: 7,
	warder: func(ctx context.Context) (M, error) {
		return throughOwn(ctx, "reloaded", kafka.Plaintext, `  format-drift: {action: alert, pins: [{topic: "elsewhere*", value: json}]}`)
	},
	happen: reloadOften,
}

// reloadOften switches the rule between alert and block, ten times; a record for another topic shows when a change is in force.
func reloadOften(ctx context.Context, lanes []*lane) error {
	p, l := warderNamed("reloaded"), lanes[0]
	_, err := ends(func() {
		topic := l.create("elsewhere."+l.client, 1, 3, nil)
		producer := l.producer(M{"idempotent": false})
		stored := int64(0)
		for step, action := 0, "alert"; step < 10; step++ {
			if err := underLoad(ctx, lanes, int64(300+step*70)); err != nil {
				l.fail("%w", err)
			}
			was := action
			if action = "block"; was == "block" {
				action = "alert"
			}
			if err := p.reload("action: "+was, "action: "+action); err != nil {
				l.fail("%w", err)
			}
			l.until("reload "+itoa(step)+" to be in force", 20*time.Second, func() error {
				refused := l.send(producer, topic, "sync", []record{{value: []byte("no JSON")}}).Failed > 0
				if !refused {
					stored++
				}
				if refused != (action == "block") {
					return fmt.Errorf("a record is refused: %t, on %s", refused, action)
				}
				return nil
			})
		}
		l.closeProducer(producer)
		if end := l.end(topic); end != stored {
			l.fail("%s holds %d records, %d were acknowledged", topic, end, stored)
		}
		l.must("delete_topic", M{"name": topic}, nil)
	})
	return errors.Join(err, p.undisturbed(ctx))
}

// reload changes the configuration file in one step, as editors do, and says so.
func (p *proxy) reload(old, new string) error {
	file := p.args[len(p.args)-1]
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.Count(string(text), old) != 1 {
		return fmt.Errorf("%s has not one %q", file, old)
	}
	if err := os.WriteFile(file+".new", []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Signal(syscall.SIGHUP)
}

// undisturbed wants no connection to have been closed but by its client, and no configuration refused.
func (p *proxy) undisturbed(ctx context.Context) error {
	text, err := p.tells(ctx, "/metrics")
	if err != nil {
		return err
	}
	looked := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		closed := strings.HasPrefix(line, "warder_connections_closed_total{") && !strings.Contains(line, `"client_gone"`)
		if !closed && !strings.HasPrefix(line, `warder_config_reloads_total{outcome="failure"}`) {
			continue
		}
		if looked++; !strings.HasSuffix(line, " 0") {
			err = errors.Join(err, fmt.Errorf("after the reloads: %s", line))
		}
	}
	if looked < 10 {
		return fmt.Errorf("only %d of these metrics are there", looked)
	}
	return err
}
