package builtin

import (
	"fmt"
	"time"

	"warder/rules"
)

// connectionChurn gives advice about clients that are made anew again and again
// instead of being kept: of a client for each message every one opens connections,
// authenticates and asks for metadata. And about those that ask for metadata or
// coordinators all the time. A connection that does nothing but open, as a health
// check does, is no client.
type connectionChurn struct {
	connectionChurnKnobs

	advice *adviser[churnPart]
}

// connectionChurnKnobs are the keys below `rules.connection-churn` that only it knows.
type connectionChurnKnobs struct {
	// How far back a client is looked at. What is advised against must have been
	// so in three of the last five parts of it.
	Window time.Duration `yaml:"window" min:"1s" max:"24h"`
	// Of a client with fewer requests in the window nothing is said.
	MinRequests int `yaml:"min_requests" min:"1" max:"10000000"`
	// More new connections a minute are too many for one instance. Half of them
	// are if most are short.
	NewPerMinute int `yaml:"new_per_minute" min:"1" max:"1000000"`
	// A connection that its client ends sooner is short.
	ShortLife time.Duration `yaml:"short_life" min:"100ms" max:"10m"`
	// More requests of one kind for metadata or a coordinator a second are too
	// many for one instance.
	LookupsPerSecond float64 `yaml:"lookups_per_second" min:"0.001" max:"100000"`
}

func connectionChurnSpec() rules.Spec {
	return rules.Spec{
		ID:       "connection-churn",
		Summary:  "a client that is made anew again and again, for each message even, or asks for metadata all the time",
		Severity: rules.Info,
		Default:  rules.Alert,
		Doc:      "docs/rules/connection-churn.md",
		Example:  "connection-churn:\n  new_per_minute: 30\n  clients: [\"*\", \"!nightly-*\"]\n",
		FoldBy:   rules.FieldClientID | rules.FieldPrincipal,
		Watches:  []rules.Interest{{Kind: rules.KindConnectionUsed, By: rules.ByClient}},
		New:      newConnectionChurn,
	}
}

func newConnectionChurn(decode func(any) error) (rules.Rule, error) {
	c := &connectionChurn{connectionChurnKnobs: connectionChurnKnobs{
		Window: 5 * time.Minute, MinRequests: 100, NewPerMinute: 10, ShortLife: 5 * time.Second, LookupsPerSecond: 1,
	}}
	if err := decode(&c.connectionChurnKnobs); err != nil {
		return nil, err
	}
	c.advice = &adviser[churnPart]{
		window: c.Window, fewest: c.MinRequests, requests: (*churnPart).requests,
		kinds: []adviceKind[churnPart]{
			{"short-lived", c.shortLived, shortLivedReport, "ends its connections after a few seconds"},
			{"many-connections", c.many, manyConnectionsReport, "opens that many connections"},
			{"lookups", c.lookups, lookupsReport, "asks for metadata or coordinators all the time"},
		},
	}
	return c, nil
}

// churnPart is what is counted of an instance in a part of the window. Connections
// without any request but those that open one are left out of all but the last.
type churnPart struct {
	opened                 int
	short                  int          // that the client ended before short_life was over
	lives                  rules.Spread // of those that ended, in lifeUnit
	work                   int          // requests but those that open a connection; these of them:
	metadata, coordinators int
	versions               int // ApiVersions
}

// lifeUnit is what lifetimes are counted in.
const lifeUnit = 100 * time.Millisecond

func (p *churnPart) requests() int { return p.work + p.versions }

// Watch adds up what sessions tell.
func (c *connectionChurn) Watch(w *rules.Watch, ev rules.Event) {
	used, ok := ev.(rules.ConnectionUsed)
	if !ok {
		return // what was lost is missing in rates only
	}
	p := c.advice.count(w, used.Client)
	if p == nil {
		return
	}
	p.work += used.Requests
	p.metadata += used.Metadata
	p.coordinators += used.FindCoordinator
	p.versions += used.ApiVersions
	if used.First && used.Requests == 0 {
		return // it opened and ended: a health check
	}
	if used.First {
		p.opened++
	}
	if used.Ended {
		life := used.At.Sub(used.Opened)
		p.lives.Add(int64(life / lifeUnit))
		if used.ByClient && life < c.ShortLife {
			p.short++
		}
	}
}

// Tick judges what is over.
func (c *connectionChurn) Tick(w *rules.Watch) { c.advice.tick(w) }

func perMinute(n int, length time.Duration) float64 { return 60 * perSecond(n, length) }

// shortLived says whether most connections are over as soon as they were opened.
func (c *connectionChurn) shortLived(p *churnPart, length time.Duration) bool {
	return p.short*2 > p.opened && 2*perMinute(p.short, length) > float64(c.NewPerMinute)
}

func (c *connectionChurn) many(p *churnPart, length time.Duration) bool {
	return perMinute(p.opened, length) > float64(c.NewPerMinute) && !c.shortLived(p, length)
}

// lookups says whether there are too many questions; those of clients that are made
// anew are what these begin with.
func (c *connectionChurn) lookups(p *churnPart, length time.Duration) bool {
	return perSecond(max(p.metadata, p.coordinators, p.versions), length) > c.LookupsPerSecond &&
		!c.shortLived(p, length) && !c.many(p, length)
}

func shortLivedReport(of adviceOf[churnPart]) rules.Report {
	p := of.part
	life := time.Duration(p.lives.Quantile(0.5)) * lifeUnit
	each := max((p.work-p.metadata-p.coordinators)/max(p.opened, 1), 0)
	return rules.Report{
		Summary: fmt.Sprintf("%s opens %s connections a minute and keeps them for %s (median), as a client does that is made for each message: most of what it does is to connect",
			clientText(of.client), paceText(perMinute(p.opened, of.length)), lifeText(life)),
		Evidence: append(p.facts(of.length), rules.Fact{Name: "median_life_ms", Value: life.Milliseconds()}, rules.Fact{Name: "requests_per_connection", Value: each}),
		Advice:   keepAdvice(of.client),
	}
}

func lifeText(life time.Duration) string {
	if life < lifeUnit {
		return "less than " + spaced(lifeUnit)
	}
	return spaced(life)
}

func keepAdvice(id *rules.Identity) string {
	return fmt.Sprintf("Make %s when the application starts, share it, and close it when the application ends; it connects again by itself.", tunings[id.Library()].keep)
}

func manyConnectionsReport(of adviceOf[churnPart]) rules.Report {
	return rules.Report{
		Summary: fmt.Sprintf("%s opens %s connections a minute: brokers have a thread's work, memory and, with TLS or SASL, a handshake for each",
			clientText(of.client), paceText(perMinute(of.part.opened, of.length))),
		Evidence: of.part.facts(of.length),
		Advice:   "Look whether it is started again and again, or makes clients and leaves them. " + keepAdvice(of.client),
	}
}

func lookupsReport(of adviceOf[churnPart]) rules.Report {
	p := of.part
	n, what, advice := p.metadata, "Metadata", fmt.Sprintf("Look for a topic that does not exist or that it may not see, which is asked for until it can be had, and for code that lists topics before each message; %s is best left at its default.",
		setting(of.client.Library(), "metadata.max.age.ms"))
	if p.coordinators > n {
		n, what, advice = p.coordinators, "FindCoordinator", "Its coordinator cannot be found or does not stay: look at the log of the application, and at the brokers that hold __consumer_offsets and __transaction_state."
	}
	if p.versions > n {
		n, what, advice = p.versions, "ApiVersions", "It connects and gets no further: look for errors of authentication in its log, or a health check that asks this often."
	}
	return rules.Report{
		Summary: fmt.Sprintf("%s sends %s %s requests a second: brokers answer each from what they know of the whole cluster",
			clientText(of.client), paceText(perSecond(n, of.length)), what),
		Evidence: p.facts(of.length),
		Advice:   advice,
	}
}

// facts are the numbers of a part.
func (p *churnPart) facts(length time.Duration) rules.Evidence {
	return rules.Evidence{
		{Name: "new_per_minute", Value: places(perMinute(p.opened, length), 1)},
		{Name: "short_per_minute", Value: places(perMinute(p.short, length), 1)},
		{Name: "metadata_per_second", Value: places(perSecond(p.metadata, length), 2)},
		{Name: "find_coordinator_per_second", Value: places(perSecond(p.coordinators, length), 2)},
		{Name: "api_versions_per_second", Value: places(perSecond(p.versions, length), 2)},
		{Name: "requests", Value: p.requests()},
	}
}
