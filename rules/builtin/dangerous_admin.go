package builtin

import (
	"time"

	"warder/rules"
)

// dangerousAdmin judges administrative requests that take records or offsets away
// from a group that still needs them, or make a topic lose records later: before the
// broker sees them, since most cannot be taken back.
//
// A request is judged where it is read, and groups are followed elsewhere: what the
// rule must know of them its Watcher writes into memory that both share, once a second
// (see groupReads). What is not known there is never held against a request.
type dangerousAdmin struct {
	dangerousAdminKnobs

	groups rules.Globs
}

// dangerousAdminKnobs are the keys below `rules.dangerous-admin` that only it knows.
type dangerousAdminKnobs struct {
	// For how long a group without members is still in use after its last commit,
	// as while its application is restarted.
	InUse time.Duration `yaml:"in_use" min:"1s" max:"30d"`
	// Offsets that are set so many records ahead or back are worth a word, and as
	// many unread records where it cannot be told whether they would be lost.
	MinRecords int64 `yaml:"min_records" min:"1" max:"1000000000"`
	// Patterns of the groups that are looked at. Empty: all.
	Groups []string `yaml:"groups"`
}

func dangerousAdminSpec() rules.Spec {
	return rules.Spec{
		ID:       "dangerous-admin",
		Summary:  "administrative requests that take records or offsets from groups in use, or make a topic less safe",
		Severity: rules.Critical,
		Needs:    rules.NeedTopicSettings,
		CanBlock: true,
		Default:  rules.Alert,
		Doc:      "docs/rules/dangerous-admin.md",
		Example:  "dangerous-admin:\n  action: block\n  groups: [\"!scratch-*\"]\n  allow: [{client_id: platform-migration}]\n",
		FoldBy:   rules.FieldTopic | rules.FieldGroup | rules.FieldClientID | rules.FieldPrincipal,
		Watches:  append(append(offsetEvents(), memberEvents()...), rules.Interest{Kind: rules.KindMemberFetched, By: rules.ByGroup}),
		New:      newDangerousAdmin,
	}
}

func newDangerousAdmin(decode func(any) error) (rules.Rule, error) {
	r := &dangerousAdmin{dangerousAdminKnobs: dangerousAdminKnobs{InUse: time.Hour, MinRecords: 1000}}
	if err := decode(&r.dangerousAdminKnobs); err != nil {
		return nil, err
	}
	var err error
	r.groups, err = rules.CompileGlobs(r.Groups...)
	return r, err
}

// NewShared is what is known of the groups that read topics.
func (*dangerousAdmin) NewShared() rules.Store { return newGroupReads() }

// Watch begins the state of a group, and learns how large records are.
func (r *dangerousAdmin) Watch(w *rules.Watch, ev rules.Event) {
	sizes, _ := w.State.(*recordSizes)
	if sizes == nil {
		sizes = newRecordSizes()
		w.State = sizes
	}
	if fetched, ok := ev.(rules.MemberFetched); ok {
		sizes.note(&fetched)
	}
}

// Tick writes down how the group stands, when its model has been brought up to date.
func (r *dangerousAdmin) Tick(w *rules.Watch) {
	if g := groupOf(w); g != nil && g.Refreshed.Equal(w.Now) {
		sizes, _ := w.State.(*recordSizes)
		w.Shared.(*groupReads).publish(g, sizes, w.Now)
	}
}

// Sweep forgets groups of which nothing has been written down for long.
func (*dangerousAdmin) Sweep(w *rules.Watch) { w.Shared.(*groupReads).forget(w.Now) }

// Change judges what somebody asks for.
func (r *dangerousAdmin) Change(c *rules.Case, ch *rules.Change) {
	asked := &adminRequest{dangerousAdmin: r, c: c, Change: ch, reads: c.Shared.(*groupReads)}
	switch ch.Kind {
	case rules.AlterTopic:
		asked.alter()
	case rules.DeleteTopic:
		asked.deleteTopic()
	case rules.DeleteRecords:
		asked.deleteRecords()
	case rules.DeleteGroup:
		asked.deleteGroup()
	case rules.DeleteOffsets:
		asked.deleteOffsets()
	case rules.SetOffsets:
		asked.setOffsets()
	case rules.CreateTopic, rules.AddPartitions: // nothing is lost by these
	}
}

// adminRequest is a change that is being judged.
type adminRequest struct {
	*dangerousAdmin
	*rules.Change
	c     *rules.Case
	reads *groupReads
}

// readers gives the groups that read the topic of the request.
func (a *adminRequest) readers() []topicReader {
	return a.reads.of(a.Topic.Name, a.groups, a.Time)
}

// inUse says whether a group that was last used then is in use.
func (a *adminRequest) inUse(used time.Time) bool {
	return !used.IsZero() && a.Time.Sub(used) <= a.InUse
}

// deny leaves a finding and says that the change should not be made.
func (a *adminRequest) deny(reason string, out rules.Report) {
	a.c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: reason})
	a.report(out)
}

// report leaves a finding. What was only asked about has no consequences.
func (a *adminRequest) report(out rules.Report) {
	if a.ValidateOnly {
		out.Severity = rules.Info
	}
	out.Evidence = append(out.Evidence, rules.Fact{Name: "api", Value: a.API})
	a.c.Report(out)
}

// who asked, as the beginning of a sentence.
func (a *adminRequest) who() string {
	if a.ValidateOnly {
		return clientText(a.Identity) + " asked whether it may"
	}
	return clientText(a.Identity) + " asked to"
}
