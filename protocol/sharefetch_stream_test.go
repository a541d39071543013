package protocol_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// shareResponse is a ShareFetch response of two topics, with records, and node 0 at
// host.
func shareResponse(host string, tags int) (*kmsg.ShareFetchResponse, []protocol.Acquired) {
	resp := kmsg.NewPtrShareFetchResponse()
	resp.Version = 2
	resp.ErrorMessage = new("what is wrong")
	var want []protocol.Acquired
	for i := range 2 {
		rt := kmsg.NewShareFetchResponseTopic()
		rt.TopicID = [16]byte{byte(i + 1)}
		for p := range 3 {
			rp := kmsg.NewShareFetchResponseTopicPartition()
			rp.Partition, rp.Records, rp.AcknowledgeErrorMessage = int32(p), bytes.Repeat([]byte{byte(p)}, 3000*p), new("too late")
			for n := range p {
				a := kmsg.NewShareFetchResponseTopicPartitionAcquiredRecord()
				a.FirstOffset, a.LastOffset, a.DeliveryCount = int64(10*n), int64(10*n+5), int16(n+1)
				a.UnknownTags.Set(3, []byte("tag"))
				rp.AcquiredRecords = append(rp.AcquiredRecords, a)
				want = append(want, protocol.Acquired{TopicID: rt.TopicID, Partition: int32(p), First: int64(10 * n), Last: int64(10*n + 5), DeliveryCount: int16(n + 1)})
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if host != "" {
		e := kmsg.NewShareFetchResponseNodeEndpoint()
		e.Host, e.Port = host, 9092
		resp.NodeEndpoints = append(resp.NodeEndpoints, e)
	}
	for i := range tags {
		resp.UnknownTags.Set([]uint32{0, 127}[i], []byte("kept"))
	}
	return resp, want
}

// walkShare passes a body through the walker as a session does.
func walkShare(t *testing.T, version int16, body []byte, m protocol.MapEndpoint) (out []byte, got []protocol.Acquired, err error) {
	t.Helper()
	c := newWindowCursor(t, body)
	var f protocol.ShareFetchResponseStream
	if err := f.Reset(version, c); err != nil {
		return nil, nil, err
	}
	if err := f.Walk(func(a protocol.Acquired) { got = append(got, a) }); err != nil {
		return nil, got, err
	}
	patch, err := f.PatchEndpoints(m)
	return append(append(c.out, patch.Replace...), c.rest[len(patch.Replace):]...), got, err
}

func TestShareFetchStreamTellsWhatIsAcquired(t *testing.T) {
	for _, version := range []int16{1, 2} {
		resp, want := shareResponse("", 1)
		resp.Version = version
		body := resp.AppendTo(nil)
		out, got, err := walkShare(t, version, body, shout)
		if err != nil || !reflect.DeepEqual(got, want) || !bytes.Equal(out, body) {
			t.Errorf("version %d: error %v, acquired %+v", version, err, got)
		}
	}
	for _, version := range []int16{0, 3} {
		var unknown *protocol.VersionError
		if _, _, err := walkShare(t, version, nil, shout); !errors.As(err, &unknown) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// Hosts of every length around the original: longer ones are left out, the same and
// shorter ones arrive, by whatever padding.
func TestSharePatchForEveryLengthOfHost(t *testing.T) {
	const host = "broker-1.internal"
	for n := 1; n <= len(host)+3; n++ {
		for tags := range 3 {
			resp, _ := shareResponse(host, tags)
			body := resp.AppendTo(nil)
			mapped := strings.Repeat("w", n)
			patched, _, err := walkShare(t, 2, body, mapping{mapped}.endpoint)
			got := kmsg.NewPtrShareFetchResponse()
			got.Version = 2
			if err == nil {
				err = got.ReadFrom(patched)
			}
			if err != nil || len(patched) != len(body) {
				t.Fatalf("host of %d with %d tags: %d bytes became %d, error %v", n, tags, len(body), len(patched), err)
			}
			fits := len(got.NodeEndpoints) == 1 && got.NodeEndpoints[0].Host == mapped
			if want := n <= len(host); fits != want || !fits && len(got.NodeEndpoints) > 0 {
				t.Errorf("host of %d with %d tags: %+v", n, tags, got.NodeEndpoints)
			}
			resp.UnknownTags.Each(func(number uint32, value []byte) {
				found := false
				got.UnknownTags.Each(func(n uint32, v []byte) { found = found || n == number && bytes.Equal(v, value) })
				if !found {
					t.Errorf("host of %d: tag %d is lost", n, number)
				}
			})
			if bytes.Contains(patched, []byte(host)) {
				t.Errorf("host of %d: the broker's own is still there", n)
			}
		}
	}
}

func TestShareFetchStreamOfWhatIsCutOff(t *testing.T) {
	resp, _ := shareResponse("broker-1", 1)
	body := resp.AppendTo(nil)
	for n := range body {
		var malformed *protocol.MalformedError
		if _, _, err := walkShare(t, 2, body[:n], shout); !errors.As(err, &malformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(body), err)
		}
	}
	for range 100 { // more than is looked at at once
		resp.NodeEndpoints = append(resp.NodeEndpoints, resp.NodeEndpoints[0])
		resp.NodeEndpoints[len(resp.NodeEndpoints)-1].Host = strings.Repeat("h", 50)
	}
	var malformed *protocol.MalformedError
	if _, _, err := walkShare(t, 2, resp.AppendTo(nil), shout); !errors.As(err, &malformed) {
		t.Errorf("a long tail: %v", err)
	}
}

// FuzzShareFetchResponse: never a panic; what kmsg takes for a whole response is
// walked, tells the same acquired records, and keeps its size and its meaning when
// its endpoints change.
func FuzzShareFetchResponse(f *testing.F) {
	for _, host := range []string{"", "b", strings.Repeat("broker.", 30)} {
		for tags := range 3 {
			resp, _ := shareResponse(host, tags)
			f.Add(int16(2), resp.AppendTo(nil))
		}
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		out, got, err := walkShare(t, version, body, shout)
		if err == nil && len(out) != len(body) {
			t.Fatalf("%d bytes became %d", len(body), len(out))
		}
		if err != nil || tagBomb(body) || oddLengths(body) {
			return
		}
		before, after := kmsg.NewPtrShareFetchResponse(), kmsg.NewPtrShareFetchResponse()
		before.Version, after.Version = version, version
		if before.ReadFrom(body) != nil {
			return
		}
		if err := after.ReadFrom(out); err != nil {
			t.Fatalf("no response any more: %v\n% x\n% x", err, body, out)
		}
		n := 0
		for _, rt := range before.Topics {
			for _, rp := range rt.Partitions {
				for _, a := range rp.AcquiredRecords {
					want := protocol.Acquired{TopicID: rt.TopicID, Partition: rp.Partition, First: a.FirstOffset, Last: a.LastOffset, DeliveryCount: a.DeliveryCount}
					if n >= len(got) || got[n] != want {
						t.Fatalf("range %d: want %+v of %+v", n, want, got)
					}
					n++
				}
			}
		}
		if n != len(got) {
			t.Fatalf("%d ranges, want %d", len(got), n)
		}
	})
}
