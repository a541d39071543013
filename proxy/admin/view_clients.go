package admin

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"warder/proxy"
	"warder/rules"
)

const (
	shownClients  = 300 // on a page
	shownSettings = 4   // ways in which the connections of one client write, or read
)

// clientRow is all connections of a client that are open, taken together: a client is who gives one client.id, uses one
// library and is one principal.
type clientRow struct {
	ID, Software, Principal string
	Connections             int
	Hosts, Listeners        []string // addresses without ports; names
	Groups                  []string
	Writes, Reads           []string // how it is set up, as it shows, in words
	Fetched                 int      // partitions that it asks for
	written                 written
	found                   []rules.Finding
	Since                   time.Time // of the oldest connection
	Requests                int64
	InFlight                int
	Versions                []proxy.APIVersions
	Findings                []findingCard // open, about it, worst first
}

// written is what the connections of a client that write do together.
type written struct {
	perSecond      float64 // requests
	bytes, records float64 // of batches, added up over so many connections
	batches        int
}

type clientKey struct{ id, software, principal string }

// clientRows takes connections together, clients with the worst problems first, then by name.
func clientRows(list []Client, found []rules.Finding, now time.Time) []clientRow {
	byKey := map[clientKey]*clientRow{}
	for i := range list {
		c := &list[i].ClientInfo
		key := clientKey{c.ClientID, strings.TrimSpace(c.SoftwareName + " " + c.SoftwareVersion), c.Principal}
		row := byKey[key]
		if row == nil {
			row = &clientRow{ID: key.id, Software: key.software, Principal: key.principal, Since: c.Opened}
			byKey[key] = row
		}
		row.add(c)
	}
	about := by(found, func(s *rules.Subject) string { return s.ClientID })
	rows := make([]clientRow, 0, len(byKey))
	for _, row := range byKey {
		for _, f := range about[row.ID] {
			if f.Subject.Principal == "" || f.Subject.Principal == row.Principal {
				row.found = append(row.found, f)
			}
		}
		row.Findings = cards(row.found, now)
		slices.SortFunc(row.Versions, func(a, b proxy.APIVersions) int { return cmp.Compare(a.Key, b.Key) })
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, func(a, b clientRow) int {
		return cmp.Or(cmp.Compare(rank(b.found), rank(a.found)), strings.Compare(a.ID, b.ID), strings.Compare(a.Software, b.Software), strings.Compare(a.Principal, b.Principal))
	})
	return rows
}

// Severity is that of the worst that is open about it, empty for nothing.
func (row *clientRow) Severity() string {
	if len(row.Findings) == 0 {
		return ""
	}
	return row.Findings[0].Severity.String()
}

func (row *clientRow) add(c *proxy.ClientInfo) {
	row.Connections++
	row.Requests += c.Requests
	row.InFlight += c.InFlight
	if c.Opened.Before(row.Since) {
		row.Since = c.Opened
	}
	host := c.Remote
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addOnce(&row.Hosts, host)
	addOnce(&row.Listeners, c.Listener)
	for _, g := range c.Groups {
		addOnce(&row.Groups, g.Group)
	}
	row.addSettings(c)
	for _, v := range c.APIVersions {
		i := slices.IndexFunc(row.Versions, func(known proxy.APIVersions) bool { return known.Key == v.Key })
		if i < 0 {
			row.Versions = append(row.Versions, v)
			continue
		}
		row.Versions[i].Lowest, row.Versions[i].Highest = min(row.Versions[i].Lowest, v.Lowest), max(row.Versions[i].Highest, v.Highest)
	}
}

// addSettings takes in how a connection is set up: what is set in words, what follows from it in numbers.
func (row *clientRow) addSettings(c *proxy.ClientInfo) {
	if p := c.Produces; p != nil {
		if len(row.Writes) < shownSettings {
			addOnce(&row.Writes, writesLike(p))
		}
		if p.IntervalMs != nil && *p.IntervalMs > 0 {
			row.written.perSecond += 1000 / *p.IntervalMs
		}
		if b := p.Batches; b != nil {
			row.written.bytes, row.written.records, row.written.batches = row.written.bytes+b.Bytes, row.written.records+b.Records, row.written.batches+1
		}
	}
	if f := c.Fetches; f != nil {
		row.Fetched += f.Partitions
		if len(row.Reads) < shownSettings {
			addOnce(&row.Reads, readsLike(f))
		}
	}
}

// Pace is what its connections write, in numbers.
func (row *clientRow) Pace() string {
	w := &row.written
	text := pace(w.perSecond, "requests")
	if w.batches > 0 {
		n := float64(w.batches)
		text += ", " + counted(int64(w.records/n+.5), "record") + " in " + byteSize(w.bytes/n) + " a batch"
	}
	return text
}

func addOnce(list *[]string, text string) {
	if !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}

// writesLike is how a client writes, in the names of settings.
func writesLike(p *proxy.ProducerInfo) string {
	text := "acks=" + number(int(p.Acks))
	if p.Acks == -1 {
		text = "acks=all"
	}
	if p.TransactionalID != "" {
		text += ", transactional.id=" + short(p.TransactionalID)
	}
	if b := p.Batches; b != nil {
		if b.Idempotent {
			text += ", idempotent"
		} else {
			text += ", not idempotent"
		}
		text += ", compression " + strings.Join(b.Compression, " and ")
	}
	return text
}

// readsLike is how a client reads, in the names of settings.
func readsLike(c *proxy.ConsumerInfo) string {
	text := "fetch.min.bytes=" + number(c.MinBytes) + ", fetch.max.bytes=" + number(c.MaxBytes) +
		", fetch.max.wait.ms=" + number(c.MaxWaitMs) + ", " + c.IsolationLevel
	if c.Rack != "" {
		text += ", client.rack=" + short(c.Rack)
	}
	return text
}

func (s *Server) clientsPage(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Clients == nil {
		s.nothing(w, r, http.StatusNotFound, "There are no clients here.")
		return
	}
	rows := clientRows(s.opts.Source.Clients(), s.openFindings(), s.now())
	more := max(len(rows)-shownClients, 0)
	s.show(w, r, "clients", "Clients", struct {
		Rows []*clientRow
		More int
	}{pointers(rows[:len(rows)-more]), more})
}

// pointers is for templates, which find the methods of a pointer only there.
func pointers[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}
