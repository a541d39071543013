package proxy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/rules"
	"warder/rules/state"
)

const (
	// maxReaderQuestions bounds the topics that wait for an answer.
	maxReaderQuestions = 64
	// readersPause is the time between the end of a question and the next: each makes several
	// requests to every broker.
	readersPause = time.Second
	// readersPatience bounds one question.
	readersPatience = 30 * time.Second
	// readersLifetime is how long an answer is given again.
	readersLifetime = 5 * time.Minute
	// maxReaderAnswers bounds the answers that are remembered, of some 3 KiB at most.
	maxReaderAnswers = 1000
	// maxGroups bounds the groups that are asked for one topic. Of a larger cluster nobody can say.
	maxGroups = 2000
	// groupsPerRequest bounds one OffsetFetch.
	groupsPerRequest = 100
	// namedReaders bounds the groups of an answer.
	namedReaders = 20
)

// readerLookup answers who reads a topic: every group of the cluster is asked for
// its offsets, over warder's own connection alone. The principal of a client is
// the wrong one to ask with, since it sees its own groups only.
type readerLookup struct {
	srv   *Server
	own   *ownConnection
	queue chan string   // topics
	pause time.Duration // readersPause, but for tests

	mu      sync.Mutex
	answers *state.LRU[string, readersAnswer] // guarded by mu
	refused time.Time                         // guarded by mu: when the cluster last refused to say
}

// readersAnswer is what was found out.
type readersAnswer struct {
	at     time.Time
	known  bool
	groups []string // sorted, at most namedReaders
}

func newReaderLookup(s *Server, own *ownConnection) *readerLookup {
	return &readerLookup{
		srv: s, own: own, queue: make(chan string, maxReaderQuestions), pause: readersPause,
		answers: state.NewLRU[string, readersAnswer](maxReaderAnswers),
	}
}

// Ask takes a rule's question to the cluster; the answer is an event to the engine.
// It never blocks, and returns false when the question cannot be asked: it is for
// somebody else, warder may not ask by itself, the cluster refused lately, or too many
// wait.
func (s *Server) Ask(q rules.Question) bool {
	switch q := q.(type) {
	case rules.WhoReads:
		return s.lookups.readers.ask(q.Topic)
	case rules.OpenTransactions:
		return s.lookups.askOpenTransactions(q)
	default:
		return false
	}
}

func (l *readerLookup) ask(topic string) bool {
	now := l.srv.now()
	l.mu.Lock()
	known, ok := l.answers.Peek(topic)
	refused := now.Sub(l.refused) < refusalLifetime
	l.mu.Unlock()
	switch {
	case ok && now.Sub(known.at) < readersLifetime:
		l.tell(topic, known)
		return true
	case refused || !l.own.usable():
		return false
	}
	select {
	case l.queue <- topic:
		return true
	default:
		l.count("postponed")
		return false
	}
}

// run answers one question after the other until ctx ends; then nobody can say.
func (l *readerLookup) run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case topic := <-l.queue:
			l.answer(ctx, topic)
		}
		pause.Reset(l.pause)
	}
}

// answer finds out who reads a topic and tells it.
func (l *readerLookup) answer(ctx context.Context, topic string) {
	ctx, cancel := context.WithTimeout(ctx, readersPatience)
	defer cancel()
	groups, err := l.find(ctx, topic)
	a := readersAnswer{at: l.srv.now(), known: err == nil, groups: groups}
	outcome := "answered"
	l.mu.Lock()
	switch {
	case errors.Is(err, errRefused):
		outcome, l.refused = "refused", a.at
	case errors.Is(err, errTooManyGroups):
		outcome = "failed"
		l.answers.Put(topic, a) // asking again would cost the same and bring no more
	case err != nil:
		outcome = "failed"
	default:
		l.answers.Put(topic, a)
	}
	l.mu.Unlock()
	if err != nil {
		l.srv.noise.Debug().Err(err).Str("question", "WhoReads").Str("topic", topic).Msg("a question to the cluster was not answered")
	}
	l.count(outcome)
	l.tell(topic, a)
}

func (l *readerLookup) count(outcome string) {
	l.srv.metrics.lookups.WithLabelValues("WhoReads", l.own.carrier(), outcome).Inc()
}

func (l *readerLookup) tell(topic string, a readersAnswer) {
	l.srv.engine.Emit(rules.TopicReaders{At: l.srv.now(), Topic: topic, Known: a.known, Groups: a.groups})
}

var (
	// errRefused: warder's principal may not see what it would have to see.
	errRefused = errors.New("the cluster refuses to say")
	// errTooManyGroups: the answer would cost too much.
	errTooManyGroups = fmt.Errorf("the cluster has more than %d groups", maxGroups)
	// errShareGroup: share groups keep no offsets that OffsetFetch could tell (KIP-932).
	errShareGroup = errors.New("the cluster has share groups, which cannot be asked what they read")
)

// find gives the groups that have committed offsets for a topic.
func (l *readerLookup) find(ctx context.Context, topic string) ([]string, error) {
	if err := l.maySeeGroups(ctx); err != nil {
		return nil, err
	}
	partitions, err := l.partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	all, err := l.groups(ctx)
	if err != nil {
		return nil, err
	}
	var readers []string
	for batch := range slices.Chunk(all, groupsPerRequest) {
		if readers, err = l.readersAmong(ctx, readers, batch, topic, partitions); err != nil {
			return nil, err
		}
		if len(readers) >= namedReaders {
			break
		}
	}
	slices.Sort(readers)
	return readers[:min(len(readers), namedReaders)], nil
}

// maySeeGroups makes sure that ListGroups tells of all groups: without DESCRIBE on
// the cluster a broker leaves out, and does not say so, those that the principal
// may not see (KafkaApis.handleListGroupsRequest).
func (l *readerLookup) maySeeGroups(ctx context.Context) error {
	const describe, notTold = 1 << kmsg.ACLOperationDescribe, math.MinInt32
	operations := int32(notTold)
	cluster := kmsg.NewPtrDescribeClusterRequest()
	cluster.IncludeClusterAuthorizedOperations = true
	if resp, err := cluster.RequestWith(ctx, l.own.client); err == nil {
		if err := answerError(resp.ErrorCode); err != nil {
			return err
		}
		operations = resp.ClusterAuthorizedOperations
	} else { // a broker before 2.8 says it with Metadata
		meta := kmsg.NewPtrMetadataRequest()
		meta.Topics, meta.IncludeClusterAuthorizedOperations = []kmsg.MetadataRequestTopic{}, true
		resp, err := l.own.request(ctx, meta)
		if err != nil {
			return err
		}
		if m, ok := resp.(*kmsg.MetadataResponse); ok {
			operations = m.AuthorizedOperations
		}
	}
	switch {
	case operations == notTold:
		return errors.New("the broker does not say what warder may see")
	case operations&describe == 0:
		return fmt.Errorf("%w: no DESCRIBE on the cluster", errRefused)
	}
	return nil
}

// partitions gives the numbers of the topic's partitions. The cluster is asked, so
// that it is clear that warder may see the topic: else groups would seem to have no offsets for it.
func (l *readerLookup) partitions(ctx context.Context, topic string) ([]int32, error) {
	meta := kmsg.NewPtrMetadataRequest()
	meta.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	resp, err := meta.RequestWith(ctx, l.own.client)
	if err != nil {
		return nil, err
	}
	var numbers []int32
	for i := range resp.Topics {
		if err := answerError(resp.Topics[i].ErrorCode); err != nil {
			return nil, err
		}
		for j := range resp.Topics[i].Partitions {
			numbers = append(numbers, resp.Topics[i].Partitions[j].Partition)
		}
	}
	return numbers, nil
}

// groups names the groups of every broker.
func (l *readerLookup) groups(ctx context.Context) ([]string, error) {
	all, err := listGroups(ctx, l.own)
	if err != nil {
		return nil, err
	}
	if len(all) > maxGroups {
		return nil, errTooManyGroups
	}
	names := make([]string, len(all))
	for i := range all {
		if strings.EqualFold(all[i].GroupType, "share") {
			return nil, errShareGroup
		}
		names[i] = all[i].Group
	}
	return names, nil
}

// listGroups lists the groups of every broker by name, and gives the error of a
// broker that did not answer: then its groups are missing.
func listGroups(ctx context.Context, own *ownConnection) (list []kmsg.ListGroupsResponseGroup, err error) {
	ctx, cancel := context.WithTimeout(ctx, ownTimeout)
	defer cancel()
	for _, shard := range own.client.RequestSharded(ctx, kmsg.NewPtrListGroupsRequest()) {
		resp, ok := shard.Resp.(*kmsg.ListGroupsResponse)
		switch {
		case shard.Err != nil:
			err = shard.Err
		case ok && resp.ErrorCode != 0:
			err = answerError(resp.ErrorCode)
		case ok:
			list = append(list, resp.Groups...)
		}
	}
	byName := func(a, b kmsg.ListGroupsResponseGroup) int { return strings.Compare(a.Group, b.Group) }
	slices.SortFunc(list, byName)
	return slices.CompactFunc(list, func(a, b kmsg.ListGroupsResponseGroup) bool { return byName(a, b) == 0 }), err
}

// readersAmong appends those of the groups that have committed an offset for the topic.
func (l *readerLookup) readersAmong(ctx context.Context, readers, groups []string, topic string, partitions []int32) ([]string, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	for _, name := range groups {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = name
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = topic, partitions
		g.Topics = append(g.Topics, t)
		req.Groups = append(req.Groups, g)
	}
	for _, shard := range l.own.client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		resp, ok := shard.Resp.(*kmsg.OffsetFetchResponse)
		if !ok {
			continue
		}
		for i := range resp.Groups {
			reads, err := hasCommitted(&resp.Groups[i])
			if err != nil {
				return nil, err
			}
			if reads {
				readers = append(readers, resp.Groups[i].Group)
			}
		}
	}
	return readers, nil
}

// hasCommitted says whether the group has an offset for any partition that it was asked for.
func hasCommitted(g *kmsg.OffsetFetchResponseGroup) (bool, error) {
	if g.ErrorCode == kerr.GroupIDNotFound.Code {
		return false, nil // it has gone meanwhile
	}
	if err := answerError(g.ErrorCode); err != nil {
		return false, err
	}
	for i := range g.Topics {
		for j := range g.Topics[i].Partitions {
			p := &g.Topics[i].Partitions[j]
			if err := answerError(p.ErrorCode); err != nil {
				return false, err
			}
			if p.Offset >= 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// answerError is the error that an answer's code stands for, nil for none.
func answerError(code int16) error {
	err := kerr.ErrorForCode(code)
	switch code {
	case kerr.TopicAuthorizationFailed.Code, kerr.GroupAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code:
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return err
}
