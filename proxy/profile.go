package proxy

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
)

// What a connection shows of how its client is set up, for people who look at it.
// It is noted where requests are read anyway: without anybody who wants to know what
// is produced or fetched there is less.

// profile is what one connection shows. It takes 72 bytes and 6 for each API of the
// table that is used, 80 more once something is produced and 48 once something is
// fetched, with at most profileText of a text each; and what the client's memberships
// take. Each field is written by one loop, which reads it without the lock.
type profile struct {
	mu       sync.Mutex // held to write, and by others to read
	versions []versionsUsed
	groups   []rules.Membership // the client speaks for, at most maxSpeaksFor; of the response loop
	produce  *produceProfile    // nil: nothing was produced
	fetch    *fetchProfile      // nil: nothing was fetched, or nobody wants to know
}

// versionsUsed are the versions of one API that a client has used.
type versionsUsed struct{ key, lowest, highest int16 }

// produceProfile is of the last requests, numbers being averages in which those of
// long ago count for ever less.
type produceProfile struct {
	acks            int16
	idempotent      bool
	codecs          uint8 // a set
	transactionalID string
	batches         int // counted so far, up to profileLast
	bytes, records  float32
	requests        int     // counted so far, up to profileLast
	interval        float32 // milliseconds between requests
	last            time.Time
}

// fetchProfile is of the last request.
type fetchProfile struct {
	minBytes, maxBytes, maxWaitMs int32
	isolation                     int8
	partitions                    int
	rack                          string
}

const (
	// profileLast is about how many batches and requests an average is of.
	profileLast = 32
	// profileBatches is how many batches of one request are looked at.
	profileBatches = 64
	// profileText is how many bytes of a transactional id or a rack are kept.
	profileText = 256
)

// used notes the version of a request.
func (p *profile) used(key, version int16) {
	for i := range p.versions {
		v := &p.versions[i]
		if v.key != key {
			continue
		}
		if version < v.lowest || version > v.highest {
			p.mu.Lock()
			v.lowest, v.highest = min(v.lowest, version), max(v.highest, version)
			p.mu.Unlock()
		}
		return
	}
	p.mu.Lock()
	p.versions = append(p.versions, versionsUsed{key, version, version})
	p.mu.Unlock()
}

// speaksFor notes that the client is a member of a group.
func (p *profile) speaksFor(m rules.Membership) {
	i := slices.IndexFunc(p.groups, func(known rules.Membership) bool { return known.Group == m.Group })
	switch {
	case i >= 0 && p.groups[i] == m, i < 0 && len(p.groups) >= maxSpeaksFor:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i < 0 {
		p.groups = append(p.groups, m)
		return
	}
	p.groups[i] = m
}

// acks notes a Produce request of which nothing else is read.
func (p *profile) acks(acks int16, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.request(acks, at)
}

// produced notes a Produce request.
func (p *profile) produced(req *protocol.ProduceRequest, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.request(req.Acks, at)
	keepText(&w.transactionalID, req.TransactionalID)
	it := req.Partitions()
	var h records.Header
	var part protocol.ProducePartition
	for n := 0; n < profileBatches && it.Next(&part); n++ {
		if whole, err := h.Peek(part.Records); whole && err == nil && h.Magic == 2 {
			w.idempotent = h.ProducerID >= 0
			w.codecs |= 1 << h.Codec
			w.batches = min(w.batches+1, profileLast)
			w.bytes += (float32(h.Size) - w.bytes) / float32(w.batches)
			w.records += (float32(max(h.NumRecords, 0)) - w.records) / float32(w.batches)
		}
	}
}

func (p *profile) request(acks int16, at time.Time) *produceProfile {
	if p.produce == nil {
		p.produce = &produceProfile{last: at}
	}
	w := p.produce
	if w.requests > 0 {
		w.interval += (float32(at.Sub(w.last).Milliseconds()) - w.interval) / float32(w.requests)
	}
	w.requests = min(w.requests+1, profileLast)
	w.acks, w.last = acks, at
	return w
}

// fetched notes a Fetch request that asks for so many partitions.
func (p *profile) fetched(req *protocol.FetchRequest, partitions int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fetch == nil {
		p.fetch = &fetchProfile{}
	}
	f := p.fetch
	f.minBytes, f.maxBytes, f.maxWaitMs, f.isolation, f.partitions = req.MinBytes, req.MaxBytes, req.MaxWaitMs, req.IsolationLevel, partitions
	keepText(&f.rack, req.RackID)
}

// keepText keeps the beginning of a text that a client sent, which is nearly always
// the same.
func keepText(kept *string, sent []byte) {
	if sent = sent[:min(len(sent), profileText)]; *kept != string(sent) {
		*kept = string(sent)
	}
}

// Profile is what a connection shows of how its client is set up, as part of a
// ClientInfo.
type Profile struct {
	// APIVersions that the client has used, by API key.
	APIVersions []APIVersions `json:"api_versions"`
	// Groups that it spoke to a coordinator for on this connection.
	Groups []MembershipInfo `json:"groups,omitempty"`
	// Produces is left out while it has written nothing, Fetches while it has read
	// nothing, and where no rule follows what is read.
	Produces *ProducerInfo `json:"produces,omitempty"`
	Fetches  *ConsumerInfo `json:"fetches,omitempty"`
}

// APIVersions are the lowest and the highest version of an API that a client used.
type APIVersions struct {
	Key     int16  `json:"key"`
	API     string `json:"api"`
	Lowest  int16  `json:"lowest"`
	Highest int16  `json:"highest"`
}

// MembershipInfo is a membership in a group.
type MembershipInfo struct {
	Group      string `json:"group"`
	MemberID   string `json:"member_id"`
	InstanceID string `json:"instance_id,omitempty"`
}

// ProducerInfo is how a client writes, by its last requests.
type ProducerInfo struct {
	Acks            int16  `json:"acks"` // -1 for all
	TransactionalID string `json:"transactional_id,omitempty"`
	// IntervalMs is the time between two requests, on average: what linger.ms, the
	// brokers' answers and the application's own pace come to. It is left out after
	// the first.
	IntervalMs *float64 `json:"request_interval_ms,omitempty"`
	// Batches are left out where no rule looks at what is produced.
	Batches *BatchesInfo `json:"batches,omitempty"`
}

// BatchesInfo is what the batches of a producer are like. Numbers are averages over
// the last ones.
type BatchesInfo struct {
	// Idempotent says that batches carry a producer id (enable.idempotence).
	Idempotent bool `json:"idempotent"`
	// Compression by all codecs that were seen, as compression.type names them.
	Compression []string `json:"compression"`
	// Bytes as they travel, compressed, and Records.
	Bytes   float64 `json:"bytes"`
	Records float64 `json:"records"`
}

// ConsumerInfo is how a client reads, by its last request.
type ConsumerInfo struct {
	MinBytes  int32 `json:"min_bytes"`   // fetch.min.bytes
	MaxBytes  int32 `json:"max_bytes"`   // fetch.max.bytes
	MaxWaitMs int32 `json:"max_wait_ms"` // fetch.max.wait.ms
	// IsolationLevel is read_uncommitted or read_committed.
	IsolationLevel string `json:"isolation_level"`
	Rack           string `json:"rack,omitempty"` // client.rack
	Partitions     int    `json:"partitions"`     // that it asks for
}

// view copies the profile.
func (p *profile) view() Profile {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := Profile{APIVersions: make([]APIVersions, len(p.versions))}
	for i, u := range p.versions {
		v.APIVersions[i] = APIVersions{u.key, protocol.APIName(u.key), u.lowest, u.highest}
	}
	slices.SortFunc(v.APIVersions, func(a, b APIVersions) int { return cmp.Compare(a.Key, b.Key) })
	for _, m := range p.groups {
		v.Groups = append(v.Groups, MembershipInfo{m.Group, m.MemberID, m.InstanceID})
	}
	if p.produce != nil {
		v.Produces = p.produce.info()
	}
	if f := p.fetch; f != nil {
		v.Fetches = &ConsumerInfo{
			MinBytes: f.minBytes, MaxBytes: f.maxBytes, MaxWaitMs: f.maxWaitMs,
			IsolationLevel: "read_uncommitted", Rack: f.rack, Partitions: f.partitions,
		}
		if f.isolation == readCommitted {
			v.Fetches.IsolationLevel = "read_committed"
		}
	}
	return v
}

func (w *produceProfile) info() *ProducerInfo {
	v := &ProducerInfo{Acks: w.acks, TransactionalID: w.transactionalID}
	if w.requests > 1 {
		v.IntervalMs = new(float64(w.interval))
	}
	if w.batches == 0 {
		return v
	}
	v.Batches = &BatchesInfo{Idempotent: w.idempotent, Compression: []string{}, Bytes: float64(w.bytes), Records: float64(w.records)}
	for c := records.None; c <= records.Zstd; c++ {
		if w.codecs&(1<<c) != 0 {
			v.Batches.Compression = append(v.Batches.Compression, c.String())
		}
	}
	return v
}
