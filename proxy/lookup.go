package proxy

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol/messages"
	"warder/rules"
	"warder/rules/state"
)

// Lookup carries one of warder's own questions to the cluster. There are two
// carriers: a connection of warder's own, and the client's (in band).
type Lookup interface {
	// Ask sends req and gives done the answer, or the error for which none came.
	// done is called exactly once, on another goroutine or before Ask returns,
	// unless Ask returns false: then the carrier cannot take the question now.
	Ask(req kmsg.Request, done func(kmsg.Response, error)) bool
	// carrier names the kind in metrics.
	carrier() string
}

const (
	// maxQuestions bounds the topics about which something has been asked.
	maxQuestions = 10_000
	// maxTopicsPerQuestion bounds one DescribeConfigs; an answer that lists more topics is a
	// listing of the cluster and no sign that a client will write to them.
	maxTopicsPerQuestion = 100
	// questionPatience is how long an open question keeps others from asking the same.
	questionPatience = 5 * time.Second
	// configLifetime is how long an answer is believed when no change is seen.
	configLifetime = 5 * time.Minute
	// refusalLifetime is how long a refusal (authorization) is remembered.
	refusalLifetime = 10 * time.Minute
	// producePatience is how long the first Produce to a topic may wait for its
	// configuration when a rule would block by it.
	producePatience = time.Second
)

// question is what was asked of one topic. An answer ends it; until then it is
// open, or closed for a while because there was none.
type question struct {
	at      time.Time
	open    bool
	done    chan struct{} // closed when the question is
	refused error         // why the cluster will not say (authorization)
	silent  bool          // nobody waits for it again: it was asked in vain before
}

// rests reports whether the question is not to be asked again yet.
func (q *question) rests(now time.Time) bool {
	age := now.Sub(q.at)
	return q.refused != nil && age < refusalLifetime || (q.open || q.silent) && age < questionPatience
}

// lookups asks the cluster for what traffic does not say: the configuration of
// topics and the names of topic ids.
type lookups struct {
	srv     *Server
	own     *ownConnection
	readers *readerLookup
	groups  *groupLookup

	mu        sync.Mutex
	questions map[topicKey]*question        // guarded by mu; at most maxQuestions
	sessions  *state.LRU[string, time.Time] // guarded by mu: when the session timeout of a group is to be asked for again
	// producersRefused is when the cluster last refused to say who writes.
	producersRefused time.Time // guarded by mu
}

// topicKey names a topic by name or, while that is not known, by id; or a group.
type topicKey struct {
	name  string
	id    [16]byte
	group string
}

func newLookups(s *Server, cfg *configs.Lookup) (*lookups, error) {
	own, err := newOwnConnection(s, cfg)
	if err != nil {
		return nil, err
	}
	groups, err := newGroupLookup(s, own, cfg)
	if err != nil {
		return nil, fmt.Errorf("upstream.lookup.groups.patterns: %w", err)
	}
	return &lookups{srv: s, own: own, readers: newReaderLookup(s, own), groups: groups, questions: make(map[topicKey]*question), sessions: state.NewLRU[string, time.Time](maxSessionGroups)}, nil
}

// carrierFor chooses who carries a question that session s raises: warder's own
// connection when it has credentials or the cluster wants none, else s itself.
// Nobody answers a connection of the past.
func (l *lookups) carrierFor(s *session) Lookup {
	switch {
	case l.srv.passive:
		return nobody{}
	case l.own.usable():
		return l.own
	}
	return &s.side
}

// nobody is the carrier that takes no question.
type nobody struct{}

func (nobody) carrier() string { return "none" }

// Ask implements Lookup.
func (nobody) Ask(kmsg.Request, func(kmsg.Response, error)) bool { return false }

// wantConfigs asks for the configuration of topics that session s has just
// named, unless it is known and fresh.
func (l *lookups) wantConfigs(s *session, names []string) {
	names = l.unasked(names)
	if len(names) == 0 {
		return
	}
	l.ask(s, newDescribeTopics(names), func(resp kmsg.Response, err error) { l.learnConfigs(names, resp, err) }, keysOf(names))
}

// newDescribeTopics asks for all that is kept of the configuration of topics.
func newDescribeTopics(names []string) *kmsg.DescribeConfigsRequest {
	return messages.NewDescribeTopicConfigs(names, append([]string{messages.CleanupPolicy}, rules.SettingNames()...)...)
}

// wantNames asks for the names of topic ids.
func (l *lookups) wantNames(s *session, ids [][16]byte) {
	var keys []topicKey
	var missing [][16]byte
	l.mu.Lock()
	for _, id := range ids {
		if k := (topicKey{id: id}); len(missing) < maxTopicsPerQuestion && l.openLocked(k) {
			keys, missing = append(keys, k), append(missing, id)
		}
	}
	l.mu.Unlock()
	if len(missing) > 0 {
		l.ask(s, messages.NewMetadataByID(missing), func(resp kmsg.Response, err error) { l.learnNames(keys, resp, err) }, keys)
	}
}

// unasked opens a question for each topic whose configuration is neither fresh nor asked for.
func (l *lookups) unasked(names []string) []string {
	now := l.srv.now()
	var list []string
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		t, ok := l.srv.topics.ByName([]byte(name))
		if ok && t.Cleanup.Known() && t.Settings.Known && now.Sub(t.ConfigTime) < configLifetime/2 {
			continue
		}
		if l.openLocked(topicKey{name: name}) {
			list = append(list, name)
		}
		if len(list) == maxTopicsPerQuestion {
			break
		}
	}
	return list
}

// openLocked begins a question, unless it rests or there are too many.
func (l *lookups) openLocked(k topicKey) bool {
	now := l.srv.now()
	q := l.questions[k]
	switch {
	case q == nil && len(l.questions) >= maxQuestions:
		l.sweepLocked(now)
		if len(l.questions) >= maxQuestions {
			return false
		}
	case q != nil && q.rests(now):
		return false
	case q != nil && q.open: // it never came to an end
		close(q.done)
	}
	l.questions[k] = &question{at: now, open: true, done: make(chan struct{}), silent: q != nil && q.silent}
	return true
}

// sweepLocked forgets questions that no longer hold anyone back.
func (l *lookups) sweepLocked(now time.Time) {
	for k, q := range l.questions {
		if !q.open && now.Sub(q.at) > refusalLifetime {
			delete(l.questions, k)
		}
	}
}

func (l *lookups) ask(s *session, req kmsg.Request, done func(kmsg.Response, error), keys []topicKey) {
	name := kmsg.NameForKey(req.Key())
	carrier := l.carrierFor(s)
	finish := func(resp kmsg.Response, err error) {
		outcome := "answered"
		if err != nil {
			outcome = "failed"
			l.srv.noise.Debug().Err(err).Str("question", name).Str("carrier", carrier.carrier()).Msg("a question to the cluster was not answered")
		}
		l.srv.metrics.lookups.WithLabelValues(name, carrier.carrier(), outcome).Inc()
		done(resp, err)
	}
	if !carrier.Ask(req, finish) {
		l.srv.metrics.lookups.WithLabelValues(name, carrier.carrier(), "postponed").Inc()
		l.settle(keys)
	}
}

// settle ends questions that were answered, or could not be asked now: whoever
// wants to may ask again at once.
func (l *lookups) settle(keys []topicKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if q := l.questions[k]; q != nil && q.open {
			close(q.done)
			delete(l.questions, k)
		}
	}
}

// fail ends questions that got no answer; refused is set when the cluster said no.
func (l *lookups) fail(keys []topicKey, refused error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if q := l.questions[k]; q != nil && q.open {
			q.open, q.silent, q.refused, q.at = false, true, refused, l.srv.now()
			close(q.done)
		}
	}
}

func keysOf(names []string) []topicKey {
	keys := make([]topicKey, len(names))
	for i, name := range names {
		keys[i] = topicKey{name: name}
	}
	return keys
}

func (l *lookups) learnConfigs(names []string, resp kmsg.Response, err error) {
	if err != nil {
		l.fail(keysOf(names), nil)
		return
	}
	now := l.srv.now()
	for _, c := range messages.TopicConfigs(resp) {
		key := []topicKey{{name: c.Topic}}
		switch c.ErrorCode {
		case 0:
			l.srv.topics.LearnConfig(c.Topic, c.CleanupPolicy, now)
			l.srv.topics.LearnSettings(c.Topic, settingsOf(c.Configs))
			l.settle(key)
		case kerr.TopicAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code:
			l.fail(key, kerr.ErrorForCode(c.ErrorCode))
			l.srv.metrics.lookups.WithLabelValues("DescribeConfigs", "any", "refused").Inc()
		default: // such as a topic so new that this broker has not heard of it
			l.settle(key)
		}
	}
	l.fail(keysOf(names), nil) // what the answer left out
	l.srv.changed()
}

// settingsOf picks out what is kept of a topic's configuration beside its cleanup.policy.
func settingsOf(configs []messages.Config) (settings rules.TopicSettings) {
	for i := range configs {
		if !configs[i].Null {
			settings.Set(configs[i].Name, configs[i].Value)
		}
	}
	return settings
}

func (l *lookups) learnNames(keys []topicKey, resp kmsg.Response, err error) {
	if err != nil {
		l.fail(keys, nil)
		return
	}
	l.srv.learnTopics(messages.MetadataTopics(resp))
	l.settle(keys)
}

// await waits for the answers to open questions until the deadline. What stayed
// without an answer is not waited for again: observation must not delay traffic twice.
func (l *lookups) await(ctx context.Context, keys []topicKey, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for _, k := range keys {
		l.mu.Lock()
		q := l.questions[k]
		waits := q != nil && q.open && !q.silent
		l.mu.Unlock()
		if !waits {
			continue
		}
		select {
		case <-q.done:
			continue
		case <-timer.C:
		case <-ctx.Done():
		}
		l.silence(keys)
		return
	}
}

func (l *lookups) silence(keys []topicKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if q := l.questions[k]; q != nil {
			q.silent = true
		}
	}
}
