package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
)

// Head is the last line of a chain.
type Head struct {
	Seq  uint64 // its number; lines are numbered from 1
	Hash string // its hash, in hexadecimal
}

// origin stands before the first line of a chain.
var origin = Head{Hash: strings.Repeat("0", 2*sha256.Size)}

// What ends a line: its hash is that of all bytes before this text.
const (
	hashOpens  = `,"hash":"`
	hashCloses = `"}`
)

// sum is the hash of the bytes of a line: SHA-256, or HMAC-SHA-256 with a key.
func sum(key, p []byte) string {
	if len(key) == 0 {
		h := sha256.Sum256(p)
		return hex.EncodeToString(h[:])
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(p)
	return hex.EncodeToString(mac.Sum(nil))
}

// seal makes the line that follows h, without its line feed.
func (h Head) seal(key []byte, e *entry) ([]byte, Head, error) {
	next := Head{Seq: h.Seq + 1}
	line, err := json.Marshal(e.line(next.Seq, h.Hash))
	if err != nil {
		return nil, h, err
	}
	line = line[:len(line)-1] // the closing brace comes behind the hash
	next.Hash = sum(key, line)
	return append(append(append(line, hashOpens...), next.Hash...), hashCloses...), next, nil
}

// links is what a line says of its place in the chain.
type links struct {
	Seq   uint64 `json:"seq"`
	Event string `json:"event"`
	Prev  string `json:"prev"`
	Hash  string `json:"hash"`

	Lost     uint64 `json:"lost"`
	Torn     int64  `json:"torn_bytes"`
	TornHash string `json:"torn_sha256"`
	Keyed    bool   `json:"keyed"`
}

var errNoLine = errors.New("this is no line of a trail")

// parse reads a line, and gives the bytes that its hash is of.
func parse(line []byte) (l links, hashed []byte, err error) {
	at := bytes.LastIndex(line, []byte(hashOpens))
	if at < 0 || len(line) != at+len(hashOpens)+len(origin.Hash)+len(hashCloses) || !bytes.HasSuffix(line, []byte(hashCloses)) {
		return l, nil, errNoLine
	}
	if err := json.Unmarshal(line, &l); err != nil || l.Seq == 0 || l.Prev == "" {
		return l, nil, errNoLine
	}
	return l, line[:at], nil
}
