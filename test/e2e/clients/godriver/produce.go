package godriver

import (
	"sync"
	"time"
)

// maxGeneratedErrors bounds the errors listed for a generated series.
const maxGeneratedErrors = 20

// Send hands one record to the library without waiting for its end; done is called once, from any goroutine, with the record's outcome: where it was
// stored, or why not.
type Send func(r Record, done func(partition int32, offset int64, err error))

type outcome struct {
	Partition int32    `json:"p"`
	Offset    int64    `json:"o"`
	Error     *Failure `json:"error"`
}

type generatedError struct {
	I     int      `json:"i"`
	Error *Failure `json:"error"`
}

// pending gathers the outcomes of one produce request. Outcomes that come after the end are dropped.
type pending struct {
	mu       sync.Mutex
	results  []outcome
	slowest  time.Duration // from handing over to the outcome
	ended    bool
	describe func(error) *Failure
	done     chan struct{} // a token per record
}

func (p *pending) end(i int, handed time.Time, partition int32, offset int64, err error) {
	p.mu.Lock()
	p.slowest = max(p.slowest, time.Since(handed))
	switch {
	case p.ended:
	case err != nil:
		p.results[i].Offset, p.results[i].Error = -1, p.describe(err)
	default:
		p.results[i] = outcome{Partition: partition, Offset: offset}
	}
	p.mu.Unlock()
	p.done <- struct{}{}
}

// wait waits for n outcomes, at most for the given time, and tells whether they came.
func (p *pending) wait(n int, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for range n {
		select {
		case <-p.done:
		case <-timer.C:
			return false
		}
	}
	return true
}

// Produce runs the operation of that name: it hands over the records, in order, and waits for all outcomes. A record without one a minute after the
// delivery timeout counts as failed. Unless the producer is manual, records are handed over with the partition Chosen.
func Produce(r *Request, manual bool, send Send, describe func(error) *Failure) (any, error) {
	count, record := len(r.Records), func(i int) Record { return r.Records[i] }
	if r.Generate != nil {
		if err := r.Generate.valid(); err != nil {
			return nil, err
		}
		count, record = r.Generate.Count, r.Generate.Record
	}
	limit := Millis(r.DeliveryTimeoutMs, 30000) + time.Minute
	p := &pending{results: make([]outcome, count), describe: describe, done: make(chan struct{}, count)}
	began := time.Now()
	for i := range count {
		if r.Rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / r.Rate * float64(time.Second)))))
		}
		rec := record(i)
		if !manual {
			rec.Partition = Chosen
		}
		p.results[i] = outcome{Partition: rec.Partition, Offset: -1, Error: &Failure{Name: "DriverTimeout", Message: "the library said nothing"}}
		handed := time.Now()
		send(rec, func(partition int32, offset int64, err error) { p.end(i, handed, partition, offset, err) })
		if r.Mode == "sync" && !p.wait(1, limit) {
			break
		}
	}
	if r.Mode != "sync" {
		p.wait(count, limit)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	return p.produced(r.Generate != nil), nil
}

// produced is the result of the operation; p.mu is held.
func (p *pending) produced(generated bool) any {
	errors := []generatedError{}
	failed := 0
	for i, o := range p.results {
		if o.Error == nil {
			continue
		}
		if failed++; len(errors) < maxGeneratedErrors {
			errors = append(errors, generatedError{i, o.Error})
		}
	}
	answer := map[string]any{"acked": len(p.results) - failed, "failed": failed}
	if generated {
		answer["errors"], answer["slowest_ms"] = errors, p.slowest.Milliseconds()
	} else {
		answer["results"] = NotNull(p.results)
	}
	return answer
}
