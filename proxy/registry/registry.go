// Package registry asks a schema registry, by Confluent's REST API, what the ids in
// records mean.
//
// Questions are asked one after another, at most five in a second, and answers
// are remembered; nobody waits for them. What cannot be answered is answered as not
// known, so that whoever asked can go on.
package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"warder/configs"
	"warder/rules"
	"warder/rules/state"
)

// Bounds of a Registry.
const (
	queued   = 256              // questions that wait; further ones are turned down
	pause    = time.Second / 5  // between two requests
	patience = 5 * time.Second  // for one request
	rest     = 10 * time.Second // after a request that failed; questions meanwhile are not known
	// remembered is how many ids are; the one that was asked for least recently
	// goes. One takes about 300 bytes, all 3 MB.
	remembered = 10_000
	knownFor   = time.Hour   // subjects of an id are added, seldom taken away
	unknownFor = time.Minute // the id may be registered any moment
)

// Options of a Registry. Config and Answer are required.
type Options struct {
	Config *configs.SchemaRegistry
	// Answer takes the answers, on the goroutine of Run.
	Answer func(rules.Event)
	// Failed is told when a request fails that did not before, and with nil when
	// one succeeds again. The error holds no credentials.
	Failed func(error)
	// TLS is how https is spoken; nil for the system's way.
	TLS *tls.Config
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Wait lets time pass, or ctx end; a timer when nil.
	Wait func(ctx context.Context, d time.Duration)
}

// Registry answers rules.SubjectsOfSchema.
type Registry struct {
	o         Options
	client    http.Client
	questions chan rules.SubjectsOfSchema

	// owned by Run
	cache   *state.LRU[int32, entry]
	last    time.Time // when the last request was made
	resting time.Time // until when none is
	failing bool
}

// entry is an answer that is remembered.
type entry struct {
	subjects []string
	known    bool
	until    time.Time
}

// New makes a Registry. It asks nothing before Run.
func New(o Options) *Registry {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost, transport.TLSClientConfig = 1, o.TLS
	return &Registry{
		o: o, questions: make(chan rules.SubjectsOfSchema, queued), cache: state.NewLRU[int32, entry](remembered),
		client: http.Client{
			Transport: transport, Timeout: patience,
			// A redirect would take the credentials to somewhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Ask takes a question and never blocks; false when too many wait.
func (r *Registry) Ask(q rules.SubjectsOfSchema) bool {
	select {
	case r.questions <- q:
		return true
	default:
		return false
	}
}

// Run answers questions until ctx ends, and what still waits then as not known.
func (r *Registry) Run(ctx context.Context) {
	defer r.client.CloseIdleConnections()
	for {
		select {
		case q := <-r.questions:
			r.answer(ctx, q)
		case <-ctx.Done():
			for len(r.questions) > 0 {
				r.o.Answer((<-r.questions).Unanswered(r.o.Now()))
			}
			return
		}
	}
}

// answer answers one question, from memory if possible.
func (r *Registry) answer(ctx context.Context, q rules.SubjectsOfSchema) {
	e, ok := r.cache.Get(q.ID)
	if !ok || !r.o.Now().Before(e.until) {
		var err error
		if e, err = r.find(ctx, q.ID); err != nil {
			r.o.Answer(q.Unanswered(r.o.Now()))
			return
		}
		r.cache.Put(q.ID, e)
	}
	r.o.Answer(rules.SchemaSubjects{At: r.o.Now(), ID: q.ID, Topic: q.Topic, Known: e.known, Subjects: e.subjects})
}

var errResting = errors.New("the last request failed a moment ago")

// find asks the registry.
func (r *Registry) find(ctx context.Context, id int32) (entry, error) {
	if r.o.Now().Before(r.resting) {
		return entry{}, errResting
	}
	if left := pause - r.o.Now().Sub(r.last); left > 0 {
		r.o.Wait(ctx, left)
	}
	subjects, known, err := r.subjects(ctx, id)
	r.last = r.o.Now()
	if err != nil {
		r.resting = r.last.Add(rest)
		if !r.failing && ctx.Err() == nil {
			r.failing = true
			r.o.Failed(err)
		}
		return entry{}, err
	}
	if r.failing {
		r.failing = false
		r.o.Failed(nil)
	}
	e := entry{subjects, known, r.last.Add(knownFor)}
	if len(subjects) == 0 {
		e.until = r.last.Add(unknownFor)
	}
	return e, nil
}

// credentials adds user name and password. The file is read anew each time, so
// that the password can be changed in place.
func (r *Registry) credentials(req *http.Request) error {
	if r.o.Config.Username == "" {
		return nil
	}
	secret, err := os.ReadFile(string(r.o.Config.PasswordFile))
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	req.SetBasicAuth(r.o.Config.Username, strings.TrimSpace(string(secret)))
	return nil
}
