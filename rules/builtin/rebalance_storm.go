package builtin

import (
	"time"

	"warder/rules"
	"warder/rules/state"
)

// rebalanceStorm finds groups that rebalance again and again. At each of them the
// members of an eager group stop, and what was not committed is processed twice; a
// single one is nobody's concern and is not reported.
//
// The model remembers the last 64 rebalances and departures of a group, and of very
// many groups fewer; of its own the rule keeps what it told of the group and of at
// most as many instance ids as there are departures, about 10 KiB for a group in a
// storm.
type rebalanceStorm struct{ rebalanceStormKnobs }

// rebalanceStormKnobs are the keys below `rules.rebalance-storm` that only it
// knows.
type rebalanceStormKnobs struct {
	// The window that rebalances and the time stood still are counted in.
	// 1m-24h.
	Window time.Duration `yaml:"window" min:"1m" max:"24h"`
	// So many rebalances in the window are a storm. 2-60.
	Limit int `yaml:"limit" min:"2" max:"60"`
	// A shorter window, and how many rebalances in it are a storm as well.
	// 10s-24h, 2-60.
	Burst      time.Duration `yaml:"burst" min:"10s" max:"24h"`
	BurstLimit int           `yaml:"burst_limit" min:"2" max:"60"`
	// So many percent of the window for which the group stood still are one, too.
	// 0.1-100.
	StoppedPercent float64 `yaml:"stopped_percent" min:"0.1" max:"100"`
	// Members that leave and join in good order with no longer pauses than this
	// belong to one deployment or scaling, which counts as one rebalance. 1s-1h.
	PlannedPause time.Duration `yaml:"planned_pause" min:"1s" max:"1h"`
	// For so long after a group was first heard of nothing counts: its members
	// come one after another. 0s-1h.
	Settle time.Duration `yaml:"settle" min:"0s" max:"1h"`
	// How long a group must go without rebalances for the storm to be over.
	// 1m-1h.
	CalmFor time.Duration `yaml:"calm_for" min:"1m" max:"1h"`
}

func rebalanceStormSpec() rules.Spec {
	return rules.Spec{
		ID:       "rebalance-storm",
		Summary:  "a consumer group that rebalances again and again, what sets it off, and how long it stands still",
		Severity: rules.Critical,
		Default:  rules.Alert,
		Doc:      "docs/rules/rebalance-storm.md",
		Example:  "rebalance-storm:\n  action: alert\n  limit: 10\n",
		FoldBy:   rules.FieldGroup | rules.FieldMember,
		Watches:  memberEvents(),
		New:      newRebalanceStorm,
	}
}

func newRebalanceStorm(decode func(any) error) (rules.Rule, error) {
	r := &rebalanceStorm{rebalanceStormKnobs{
		Window: time.Hour, Limit: 6, Burst: 10 * time.Minute, BurstLimit: 3, StoppedPercent: 2,
		PlannedPause: 5 * time.Minute, Settle: time.Minute, CalmFor: time.Hour,
	}}
	if err := decode(&r.rebalanceStormKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// stormTold is the state of one group: what was told of it.
type stormTold struct {
	on    bool                 // there is a storm
	last  time.Time            // when the last rebalance began that was looked at in a storm
	count int                  // of rebalances, when it was told of
	fence map[string]time.Time // by group.instance.id, when its last fencing was that was told of
}

// Watch keeps the group's state, so that time is looked at.
func (r *rebalanceStorm) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &stormTold{fence: map[string]time.Time{}}
	}
}

// Tick looks whether there is a storm, goes on or is over.
func (r *rebalanceStorm) Tick(w *rules.Watch) {
	g, ok := w.Model.(*state.Group)
	told, _ := w.State.(*stormTold)
	if !ok || told == nil || !g.Protocol.Exclusive() { // in a share group nobody stops for anybody
		w.State = nil
		return
	}
	r.fencings(w, g, told)
	if last := lastStart(g); !told.on && (last.IsZero() || w.Now.Sub(last) > r.Window) {
		if g.Members() == 0 && len(told.fence) == 0 {
			w.State = nil
		}
		return
	}
	s := r.survey(g, w.Now)
	switch newer := s.last.After(told.last); {
	case s.raging && newer, s.raging && told.on && s.count > told.count:
		told.on, told.last, told.count = true, s.last, s.count
		w.Report(stormReport(g, s))
	case told.on && newer:
		told.last = s.last // it goes on below the limits
	case told.on && w.Now.Sub(told.last) >= r.CalmFor:
		told.on, told.count = false, 0
		w.Report(calmReport(g, r.CalmFor))
	}
}

// lastStart is when the last rebalance began; zero when there was none.
func lastStart(g *state.Group) time.Time {
	if list := g.Rebalances(); len(list) > 0 {
		return list[len(list)-1].Start
	}
	return time.Time{}
}

// fencings tells of a group.instance.id that two processes use: each pushes out the
// other, which most libraries do not survive.
func (r *rebalanceStorm) fencings(w *rules.Watch, g *state.Group, told *stormTold) {
	list := map[string][]*state.Departure{}
	for _, d := range g.Departures() {
		if d.How == state.Fenced && d.InstanceID != "" && w.Now.Sub(d.At) <= r.Window {
			list[d.InstanceID] = append(list[d.InstanceID], d)
		}
	}
	for _, id := range sortedKeys(list) {
		fenced := list[id]
		// Once may be a restart whose old process was still there.
		if last := fenced[len(fenced)-1]; len(fenced) > 1 && last.At.After(told.fence[id]) {
			told.fence[id] = last.At
			w.Report(fencedReport(g, fenced))
		}
	}
	for _, id := range sortedKeys(told.fence) {
		if w.Now.Sub(told.fence[id]) >= r.CalmFor {
			delete(told.fence, id)
			w.Report(unfencedReport(g, id, r.CalmFor))
		}
	}
}
