package proxy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/rules"
	"warder/rules/state"
)

const (
	// groupPause is the time between two requests of a round, so that a round never comes as
	// a burst: ten requests a second, each in as many parts as there are brokers concerned.
	groupPause = 100 * time.Millisecond
	// lookedGroups bounds one request about groups. Brokers before 3.0 are asked for each by itself.
	lookedGroups = 20
	// lookedPartitions bounds the partitions of one ListOffsets.
	lookedPartitions = 2000
	// maxLookedPartitions bounds the offsets that are taken over in a round: as many as the model of
	// groups has room for.
	maxLookedPartitions = state.DefaultGroupPartitions
	// seldom is how many rounds pass between two questions for what hardly changes: groups whose members
	// all come through warder, and the members of the others.
	seldom = 10
	// startsEvery is how many rounds pass between two questions where a log begins. Retention deletes
	// every five minutes (log.retention.check.interval.ms).
	startsEvery = 5
	// longestBackoff bounds how long warder leaves the brokers alone after errors.
	longestBackoff = 10 * time.Minute
)

// groupLookup asks the cluster again and again for groups that do not, or not all,
// come through warder: their state, their offsets, and where the logs end that
// nobody reads through warder. What it is told goes to the engine as events, and to
// state.Logs, as if it had been seen. It uses warder's own connection alone: the
// principal of a client sees its own groups only.
type groupLookup struct {
	srv   *Server
	own   *ownConnection
	which rules.Globs
	every time.Duration    // 0: never
	pause time.Duration    // groupPause, but for tests
	now   func() time.Time // the server's, but for tests

	// owned by run
	round int
	known map[string]*lookedGroup // at most maxGroups
}

// lookedGroup is what is remembered of a group from one round to the next.
type lookedGroup struct {
	state     string // as listed
	members   int    // -1 when it is not known
	described int    // the round in which it was, 0 for none
	asked     int    // the round in which its offsets were, 0 for none
	refused   time.Time
}

// rests says that warder was refused to see the group and does not ask again yet.
func (k *lookedGroup) rests(now time.Time) bool { return now.Sub(k.refused) < refusalLifetime }

func newGroupLookup(s *Server, own *ownConnection, cfg *configs.Lookup) (*groupLookup, error) {
	l := &groupLookup{srv: s, own: own, pause: groupPause, now: s.now, known: map[string]*lookedGroup{}}
	if cfg == nil {
		return l, nil
	}
	l.every = cfg.Groups.Every
	var err error
	l.which, err = rules.CompileGlobs(cfg.Groups.Patterns...)
	return l, err
}

// run asks round after round until ctx ends. After a round that failed it waits
// longer, twice as long each time.
func (l *groupLookup) run(ctx context.Context) {
	if l.every == 0 {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for wait := l.every; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := l.look(ctx)
		if wait = l.wait(wait, err); err != nil && ctx.Err() == nil {
			l.srv.noise.Warn().Err(err).Dur("again_in", wait).Msg("cannot ask the cluster for groups that do not come through warder")
		}
		timer.Reset(wait)
	}
}

// wait is how long to wait after a round, by how long it was before.
func (l *groupLookup) wait(before time.Duration, err error) time.Duration {
	if err == nil {
		return l.every
	}
	return max(min(2*before, longestBackoff), l.every)
}

// groupToLookAt is a group as the brokers list it, with what is to be found out.
type groupToLookAt struct {
	kmsg.ListGroupsResponseGroup
	*lookedGroup
	seen  groupSeen
	every time.Duration // until it is asked for again
}

// look is one round. An error says that the cluster cannot be asked now.
func (l *groupLookup) look(ctx context.Context) error {
	if !l.own.usable() || !l.srv.engine.Wants(rules.KindOffsetsFetched) {
		return nil
	}
	l.round++
	listed, all, err := l.list(ctx)
	if len(listed) == 0 && err != nil {
		return err
	}
	groups := l.due(listed, l.seen(), all)
	if err := l.describe(ctx, groups); err != nil {
		return err
	}
	return l.offsets(ctx, groups)
}

// list gives the groups of all brokers that warder is to ask for, in the order of
// their names, and says whether these are all. An error is that of a broker.
func (l *groupLookup) list(ctx context.Context) (list []kmsg.ListGroupsResponseGroup, all bool, err error) {
	found, err := listGroups(ctx, l.own)
	l.count("ListGroups", err)
	for _, g := range found {
		readers := g.ProtocolType == "" || g.ProtocolType == consumerType
		if readers && !strings.EqualFold(g.GroupType, "share") && l.which.Match(g.Group) {
			list = append(list, g)
		}
	}
	if len(list) <= maxGroups {
		return list, err == nil, err
	}
	l.srv.noise.Warn().Int("limit", maxGroups).Msg("there are more groups than warder asks for: those last by name are left out; choose with upstream.lookup.groups.patterns")
	l.countAs("ListGroups", "cut")
	return list[:maxGroups], false, err
}

// consumerType is the protocol type of groups that consumers join.
const consumerType = "consumer"

// groupSeen is what traffic shows of a group.
type groupSeen struct {
	members int
	partial bool
}

// seen gives the groups whose members come through warder.
func (l *groupLookup) seen() map[string]groupSeen {
	seen := map[string]groupSeen{}
	l.srv.engine.ViewAll(rules.ByGroup, func(id string, m rules.ModelState) {
		if g, ok := m.(*state.Group); ok && g.Members() > 0 {
			seen[id] = groupSeen{g.Members(), g.Partial()}
		}
	})
	return seen
}

// whole says that all members of a group come through warder, as far as the
// coordinator said.
func (g *groupToLookAt) whole() bool {
	return g.seen.members > 0 && !g.seen.partial && g.members == g.seen.members
}

// due gives the groups that are to be asked for in this round. A group that is not
// listed any more is asked for once more, if all are listed.
func (l *groupLookup) due(listed []kmsg.ListGroupsResponseGroup, seen map[string]groupSeen, all bool) (list []*groupToLookAt) {
	there := make(map[string]bool, len(listed))
	for _, g := range listed {
		there[g.Group] = true
		k := l.known[g.Group]
		if k == nil {
			k = &lookedGroup{members: -1}
			l.known[g.Group] = k
		}
		if k.rests(l.now()) {
			continue
		}
		list = append(list, &groupToLookAt{ListGroupsResponseGroup: g, lookedGroup: k, seen: seen[g.Group], every: l.every})
	}
	for _, name := range slices.Sorted(maps.Keys(l.known)) {
		if there[name] || !all && len(l.known) <= maxGroups {
			continue
		}
		gone := groupToLookAt{lookedGroup: l.known[name], every: l.every}
		gone.Group, gone.GroupState = name, state.GroupDead
		if delete(l.known, name); all {
			list = append(list, &gone)
		}
	}
	return list
}

// count counts a question by what became of it.
func (l *groupLookup) count(question string, err error) {
	switch {
	case err == nil:
		l.countAs(question, "answered")
	case errors.Is(err, errRefused):
		l.countAs(question, "refused")
	default:
		l.countAs(question, "failed")
	}
}

func (l *groupLookup) countAs(question, outcome string) {
	l.srv.metrics.lookups.WithLabelValues(question, l.own.carrier(), outcome).Inc()
}

// ask sends a request to every broker that it concerns and gives their answers; an
// error is that of a broker that gave none. A pause is kept before.
func (l *groupLookup) ask(ctx context.Context, req kmsg.Request) (answers []kmsg.Response, err error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(l.pause):
	}
	ctx, cancel := context.WithTimeout(ctx, ownTimeout)
	defer cancel()
	for _, shard := range l.own.client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			err = shard.Err
			continue
		}
		answers = append(answers, shard.Resp)
	}
	l.count(kmsg.NameForKey(req.Key()), err)
	return answers, err
}
