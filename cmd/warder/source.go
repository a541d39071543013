package main

import (
	"fmt"
	"strings"
	"time"

	"warder/configs"
	"warder/docs"
	"warder/proxy/admin"
	"warder/rules/state"
)

// source is what the admin interface shows.
func (w *instance) source(cfg *configs.Config) admin.Source {
	return admin.Source{
		Info:      func() admin.Info { return w.info(cfg) },
		Ready:     w.ready,
		Findings:  w.engine.Findings(),
		Clients:   func() []admin.Client { return w.clients(time.Now()) },
		Brokers:   w.proxy.Brokers,
		Listeners: w.proxy.Listeners,
		Topics:    func() state.TopicList { return w.topicList(time.Now()) },
		Topic:     func(name string) (state.TopicView, bool) { return w.topic(name, time.Now()) },
		Groups:    func() state.GroupList { return w.groups(time.Now()) },
		Group:     func(name string) (state.GroupView, bool, error) { return w.group(name, time.Now()) },
		Config: func() map[string]any {
			c, _, _ := w.live.get()
			return c.Effective()
		},
		Rules:  w.rules,
		Page:   docs.Page,
		Reload: w.reload,
	}
}

func (w *instance) info(cfg *configs.Config) admin.Info {
	live, at, _ := w.live.get()
	return admin.Info{
		Version: thisVersion().Version, Cluster: cfg.Upstream.Name, ClusterID: w.proxy.ClusterID(), Started: w.started,
		Configuration: live.Path, LoadedAt: at,
		Connections: w.proxy.Connections(), Brokers: w.proxy.KnownBrokers(), Topics: w.topics.Len(),
	}
}

// ready is the proxy's own checks and that of the configuration.
func (w *instance) ready() []admin.Check {
	var checks []admin.Check
	for _, c := range w.proxy.Ready() {
		checks = append(checks, admin.Check{Name: c.Name, Status: admin.Status(c.Status), Detail: c.Detail})
	}
	return append(checks, w.configurationCheck())
}

// configurationCheck says which configuration is in force. A refused one is
// degraded, not failed: what runs is sound.
func (w *instance) configurationCheck() admin.Check {
	cfg, at, refused := w.live.get()
	check := admin.Check{Name: "configuration", Status: admin.StatusOK, Detail: fmt.Sprintf("%s of %s is in force", cfg.Hash, at.UTC().Format(time.RFC3339))}
	if waiting := w.live.pending(); len(waiting) > 0 {
		check.Status = admin.StatusDegraded
		check.Detail += "; a restart is needed for " + waiting[0].Path
		if len(waiting) > 1 {
			check.Detail += fmt.Sprintf(" and %d more", len(waiting)-1)
		}
	}
	if refused != nil {
		check.Status = admin.StatusDegraded
		first, _, _ := strings.Cut(refused.Error(), "\n")
		check.Detail += "; a newer one was refused: " + first
	}
	return check
}

// rules are all rules, with what the live configuration makes of them.
func (w *instance) rules() []admin.Rule {
	live, _, _ := w.live.get()
	var list []admin.Rule
	for _, spec := range specs() {
		list = append(list, admin.Rule{ID: spec.ID, Summary: spec.Summary, Action: live.Rules.For(spec.ID).Action, CanBlock: spec.CanBlock})
	}
	return list
}
