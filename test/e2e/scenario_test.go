package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"warder/test/e2e/kafka"
)

// scenario is run by every client, direct and through warder; both runs must return the same result.
type scenario struct {
	name    string
	needs   []string       // capabilities
	cluster *kafka.Cluster // default: the three brokers
	direct  func() M       // connection without warder; default: plaintext to the cluster
	warder  func(ctx context.Context) (M, error)
	modes   []string // default both, and results compared
	run     func(s *side) any
}

// threeDirect is a plaintext connection to the three brokers.
func threeDirect() M { return M{"bootstrap": w.three.Bootstrap(kafka.Plaintext)} }

// throughBare goes through a warder started with flags only.
func throughBare(ctx context.Context) (M, error) {
	p, err := startBareWarder(ctx, "bare", w.three)
	if err != nil {
		return nil, err
	}
	return M{"bootstrap": p.addr["plain"]}, nil
}

// runScenario runs one for all clients, each as a parallel subtest.
func runScenario(t *testing.T, sc scenario) {
	t.Helper()
	for _, name := range clientNames() {
		t.Run(sc.name+"/"+name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			skip, notes, err := sc.compare(name)
			w.sums.add(sc.name, name, skip, err, notes, time.Since(begin))
			switch {
			case err != nil:
				t.Error(err)
			case skip != "":
				t.Skip(skip)
			}
		})
	}
}

// compare runs both sides at the same time. A skip names the reason; both sides must then skip.
func (sc scenario) compare(name string) (skip string, notes []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	modes := sc.modes
	if modes == nil {
		modes = []string{"direct", "warder"}
	}
	if directOnly {
		if modes[0] != "direct" {
			return "E2E_MODE=direct", nil, nil
		}
		modes = modes[:1]
	}
	type end struct {
		mode, result, skip string
		notes              []string
		err                error
	}
	ends := make(chan end, len(modes))
	for _, mode := range modes {
		go func() {
			e := end{mode: mode}
			e.result, e.skip, e.notes, e.err = sc.one(ctx, name, mode)
			ends <- e
		}()
	}
	results := map[string]end{}
	for range modes {
		e := <-ends
		results[e.mode] = e
		for _, n := range e.notes {
			notes = append(notes, e.mode+": "+n)
		}
		if e.err != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", e.mode, e.err))
		}
	}
	if err != nil || len(modes) == 1 {
		return results[modes[0]].skip, notes, err
	}
	d, p := results["direct"], results["warder"]
	switch {
	case d.skip != p.skip:
		return "", notes, fmt.Errorf("direct skipped %q, through warder %q", d.skip, p.skip)
	case d.result != p.result:
		return "", notes, fmt.Errorf("results differ:\n direct %s\n warder %s", d.result, p.result)
	}
	return d.skip, notes, nil
}

// one runs one side and gives its result as JSON.
func (sc scenario) one(ctx context.Context, name, mode string) (result, skip string, notes []string, err error) {
	s, err := sc.side(ctx, name, mode)
	if err != nil {
		return "", "", nil, err
	}
	for _, need := range sc.needs {
		if !s.d.Can(need) {
			return "", fmt.Sprintf("%s %s: the library has no %s", name, s.d.Version, need), nil, nil
		}
	}
	var outcome any
	skip, err = ends(func() { outcome = sc.run(s) })
	if err != nil || skip != "" {
		return "", skip, s.notes, err
	}
	text, err := json.Marshal(outcome)
	return string(text), "", s.notes, err
}

func (sc scenario) side(ctx context.Context, name, mode string) (*side, error) {
	s := &side{ctx: ctx, cluster: sc.cluster, scenario: sc.name, client: name, mode: mode}
	if s.cluster == nil {
		s.cluster = w.three
	}
	var err error
	if mode == "direct" {
		s.conn = M{"bootstrap": s.cluster.Bootstrap(kafka.Plaintext)}
		if sc.direct != nil {
			s.conn = sc.direct()
		}
	} else {
		through := throughBare
		if sc.warder != nil {
			through = sc.warder
		}
		if s.conn, err = through(ctx); err != nil {
			return nil, err
		}
		w.sums.through(sc.name, name, warderAt(s.conn["bootstrap"]))
	}
	s.conn["client_id"] = "e2e-" + name
	s.d, err = startDriver(ctx, clients[name], mode, mode == "warder")
	return s, err
}
