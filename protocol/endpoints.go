package protocol

import (
	"warder/protocol/wire"
)

// Produce (v10+) and Fetch (v16+) responses name new leaders by address in a
// tagged field of the top level, NodeEndpoints (KIP-951). A client that reads
// it connects there at once, so the addresses must be those of warder.

// tagNodeEndpoints is the number of the field in either message.
const tagNodeEndpoints = 0

// Endpoint is the address of a broker as a response carries it.
type Endpoint struct {
	NodeID int32
	Host   string
	Port   int32
}

// MapEndpoint returns what the client shall see in place of e, or keep false
// to take the entry out. It is called once per entry, in order. The node id
// never changes: that of the result is ignored.
type MapEndpoint func(e Endpoint) (mapped Endpoint, keep bool)

// RewriteProduceEndpoints appends the body of a Produce response with its
// NodeEndpoints mapped by m. If nothing changes, nothing is appended and
// changed is false: the original goes on. All else is copied byte for byte.
//
// Errors: *VersionError, *MalformedError; then nothing is appended.
func RewriteProduceEndpoints(dst []byte, version int16, body []byte, m MapEndpoint) (out []byte, changed bool, err error) {
	p, err := ParseProduceResponse(version, body)
	if err != nil || !p.HasEndpoints {
		return dst, false, err
	}
	return rewriteEndpoints(dst, Produce, version, body, p.tags, m)
}

// RewriteFetchEndpoints is RewriteProduceEndpoints for a Fetch response that is
// in memory as a whole.
func RewriteFetchEndpoints(dst []byte, version int16, body []byte, m MapEndpoint) (out []byte, changed bool, err error) {
	f, err := ParseFetchResponse(version, body)
	if err != nil || !f.HasEndpoints {
		return dst, false, err
	}
	return rewriteEndpoints(dst, Fetch, version, body, f.tags, m)
}

func rewriteEndpoints(dst []byte, key APIKey, version int16, body []byte, tags int, m MapEndpoint) ([]byte, bool, error) {
	t, err := parseTagSection(body[tags:])
	if err != nil {
		return dst, false, &MalformedError{Key: key, Version: version, Field: "NodeEndpoints", Offset: tags, Err: err}
	}
	changed, err := t.mapEndpoints(m)
	if err != nil {
		return dst, false, &MalformedError{Key: key, Version: version, Field: "NodeEndpoints", Offset: tags, Err: err}
	}
	if !changed {
		return dst, false, nil
	}
	dst = append(dst, body[:tags]...)
	dst = t.append(dst, 0)
	return append(dst, body[tags+t.size:]...), true, nil
}

// appendEndpoints appends the value of a NodeEndpoints field with each entry
// mapped. n is how many entries are left. Racks and tags are copied.
func appendEndpoints(dst, value []byte, m MapEndpoint) (out []byte, n int, changed bool, err error) {
	entries, n, size, changed, err := mapEndpointArray(value, m)
	if err != nil {
		return dst, 0, false, err
	}
	dst = wire.AppendArrayLen(dst, n, true)
	dst = append(dst, entries...)
	return append(dst, value[size:]...), n, changed, nil
}

// mapEndpointArray maps the array of endpoints at the start of value: its entries
// as they are to be, how many are left, and the bytes that the array took.
func mapEndpointArray(value []byte, m MapEndpoint) (entries []byte, n, size int, changed bool, err error) {
	r := wire.NewReader(value)
	for range r.ArrayLen(true) {
		start := r.Offset()
		nodeID := r.Int32()
		host := r.CompactString()
		port := r.Int32()
		fixed := r.Offset()
		r.NullableCompactString() // Rack
		r.SkipTags()
		if r.Err() != nil {
			break
		}
		from := Endpoint{NodeID: nodeID, Host: string(host), Port: port}
		to, keep := from, true
		if nodeID >= 0 && from.Host != "" { // else it names no broker
			to, keep = m(from)
		}
		if !keep {
			changed = true
			continue
		}
		n++
		if to.Host == from.Host && to.Port == from.Port {
			entries = append(entries, value[start:r.Offset()]...)
			continue
		}
		changed = true
		entries = wire.AppendInt32(entries, nodeID)
		entries = wire.AppendCompactString(entries, to.Host)
		entries = wire.AppendInt32(entries, to.Port)
		entries = append(entries, value[fixed:r.Offset()]...)
	}
	return entries, n, r.Offset(), changed, r.Err()
}
