package builtin

import (
	"fmt"
	"time"

	"warder/rules"
)

// hotReader is a client that reads a hot partition, and how far behind it is: the
// load is not only uneven but too much for who has to read it.
type hotReader struct {
	client *rules.Identity
	behind int64 // offsets between the end of the log and what it asks for
	at     time.Time
}

// hotReaderFor is how long what is known of a reader counts.
const hotReaderFor = 30 * time.Second

// Watch notes how far readers of hot partitions are behind.
func (h *hotPartition) Watch(w *rules.Watch, ev rules.Event) {
	fetched, ok := ev.(rules.Fetched)
	if !ok {
		return
	}
	t := w.Shared.(*hotTraffic).find(fetched.Topic)
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range fetched.Partitions {
		p := &fetched.Partitions[i]
		for _, s := range t.suspects {
			if s.partition == p.Partition && p.HighWatermark >= 0 {
				s.reader.note(fetched.Client, max(p.HighWatermark-p.FetchOffset, 0), fetched.At)
			}
		}
	}
}

// note keeps the reader that is farthest behind.
func (r *hotReader) note(client *rules.Identity, behind int64, at time.Time) {
	if r.client == nil || client.ClientID == r.client.ClientID || behind >= r.behind || at.Sub(r.at) > hotReaderFor {
		*r = hotReader{client, behind, at}
	}
}

// lags says whether somebody cannot keep up with the partition at now: as many
// records behind as make a topic worth judging.
func (h *hotPartition) lags(s *hotSuspect, now time.Time) bool {
	return s.reader.behind >= int64(h.MinRecords) && now.Sub(s.reader.at) <= hotReaderFor
}

// addLag says of a report that a reader cannot keep up.
func (r *hotReader) addLag(report *rules.Report) {
	report.Severity = rules.Critical
	report.Summary += fmt.Sprintf("; %s is %d records behind there", clientText(r.client), r.behind)
	report.Evidence = append(report.Evidence, rules.Fact{Name: "reader", Value: clientText(r.client)}, rules.Fact{Name: "reader_behind", Value: r.behind})
}
