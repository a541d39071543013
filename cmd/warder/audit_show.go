package main

import (
	"strconv"

	"warder/record/capture"
)

// captured is what became of the packets of an audit.
type captured struct {
	Packets     uint64 `json:"packets"`
	Connections uint64 `json:"connections"` // to brokers
	Followed    uint64 `json:"followed"`
	Midstream   uint64 `json:"begun_before,omitempty"` // of those followed
	Requests    uint64 `json:"requests"`
	Answers     uint64 `json:"answers"`
	Bytes       uint64 `json:"bytes"`             // of requests and answers
	Losses      uint64 `json:"losses,omitempty"`  // times that a connection went on behind missing bytes
	CutOff      bool   `json:"cut_off,omitempty"` // a file ends in the middle of a packet
	// NotFollowed is what was there and could not be followed, by why.
	NotFollowed map[string]capture.Unfollowed `json:"not_followed,omitempty"`

	reasons []string // of NotFollowed, in their order
}

func newCaptured(c *capture.Counts) *captured {
	if c == nil {
		return nil
	}
	s := &captured{
		Packets: c.Packets, Connections: c.Connections, Followed: c.Followed, Midstream: c.Midstream, Requests: c.Requests, Answers: c.Answers,
		Bytes: c.Bytes, Losses: c.Losses, CutOff: c.CutOff, NotFollowed: map[string]capture.Unfollowed{},
	}
	c.Unfollowed(func(why capture.Reason, u capture.Unfollowed) {
		s.NotFollowed[why.String()] = u
		s.reasons = append(s.reasons, why.String())
	})
	return s
}

// notFollowedTexts are the reasons in words for people.
var notFollowedTexts = map[string]string{
	"encrypted": "encrypted (TLS)", "not_kafka": "another protocol", "between_brokers": "brokers among themselves",
	"sasl_v0": "SaslHandshake version 0", "too_many_connections": "too many connections at once", "lost": "missing in the capture, or late",
	"before_sync": "before the first request that could be found", "unasked_answers": "answers whose requests were not followed",
	"partial_frames": "requests and answers of which bytes are missing", "fragments": "IP fragments", "truncated_headers": "cut off within their headers",
	"malformed": "malformed headers", "unsupported_link": "link type that is not supported", "kernel_dropped": "dropped by the kernel, too many at once",
}

// showCaptured tells a person what was in the capture, and what was not followed.
func (a *app) showCaptured(s *captured) error {
	a.say("%s, %s to brokers, %d followed, %d of them begun before the capture", counted(int64(s.Packets), "packet"), counted(int64(s.Connections), "connection"), s.Followed, s.Midstream)
	a.say("%s and %s with %s", counted(int64(s.Requests), "request"), counted(int64(s.Answers), "answer"), counted(int64(s.Bytes), "byte"))
	if s.CutOff {
		a.say("a file ends in the middle of a packet")
	}
	if len(s.reasons) == 0 {
		return nil
	}
	rows := [][]string{{"NOT FOLLOWED", "CONNECTIONS", "PACKETS", "BYTES"}}
	for _, why := range s.reasons {
		u := s.NotFollowed[why]
		rows = append(rows, []string{notFollowedTexts[why], someOf(u.Connections), someOf(u.Packets), someOf(u.Bytes)})
	}
	return table(a.stderr, rows)
}

// someOf is a count, or a dash for none.
func someOf(n uint64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(n, 10)
}
