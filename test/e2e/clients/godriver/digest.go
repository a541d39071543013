package godriver

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"sort"
	"strconv"
)

// Digests gathers what `consume` answers. Records are added in offset order per partition, by one goroutine at a time.
type Digests struct {
	raw        bool
	partitions map[int32]*digest
	records    []Record
}

type digest struct {
	count       int
	first, last int64
	sha         hash.Hash
}

// NewDigests keeps the records themselves too when raw is set.
func NewDigests(raw bool) *Digests { return &Digests{raw: raw, partitions: map[int32]*digest{}} }

// Add counts one record in.
func (d *Digests) Add(r Record) {
	p := d.partitions[r.Partition]
	if p == nil {
		p = &digest{first: r.Offset, sha: sha256.New()}
		d.partitions[r.Partition] = p
	}
	p.count++
	p.last = r.Offset
	p.sha.Write(r.line())
	if d.raw {
		d.records = append(d.records, r)
	}
}

// Result is the answer of `consume`.
func (d *Digests) Result() any {
	partitions := map[string]any{}
	for id, p := range d.partitions {
		partitions[strconv.Itoa(int(id))] = map[string]any{
			"count": p.count, "sha256": hex.EncodeToString(p.sha.Sum(nil)), "first": p.first, "last": p.last,
		}
	}
	if !d.raw {
		return map[string]any{"partitions": partitions}
	}
	sort.Slice(d.records, func(i, j int) bool {
		a, b := &d.records[i], &d.records[j]
		return a.Partition < b.Partition || a.Partition == b.Partition && a.Offset < b.Offset
	})
	return map[string]any{"partitions": partitions, "records": NotNull(d.records)}
}

func (r *Record) line() []byte {
	line := appendBytes(nil, r.Key)
	line = appendBytes(append(line, '\t'), r.Value)
	line = append(line, '\t')
	for i, h := range r.Headers {
		if i > 0 {
			line = append(line, ',')
		}
		line = appendBytes(append(append(line, h.Name...), '='), h.Value)
	}
	return append(strconv.AppendInt(append(line, '\t'), r.Timestamp, 10), '\n')
}

func appendBytes(dst, data []byte) []byte {
	if data == nil {
		return append(dst, '-')
	}
	return base64.StdEncoding.AppendEncode(dst, data)
}

// NotNull is list, or an empty list for nil, so that JSON says [].
func NotNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
