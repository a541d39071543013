package fakebroker

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// VersionRange is one row of an ApiVersions answer.
type VersionRange struct{ Key, Min, Max int16 }

// defaults installs ApiVersions for every API kmsg knows, and Metadata naming this broker and no topic.
func (b *Broker) defaults() {
	b.handlers[18] = APIVersions(KnownVersions())
	b.handlers[3] = b.metadata
}

// KnownVersions lists every key kmsg knows with its version range.
func KnownVersions() []VersionRange {
	var rows []VersionRange
	for key := range int16(kmsg.MaxKey + 1) {
		if req := kmsg.RequestForKey(key); req != nil {
			rows = append(rows, VersionRange{Key: key, Max: req.MaxVersion()})
		}
	}
	return rows
}

// APIVersions answers key 18 with this table, in the version asked for. A version the table does not allow is
// answered as a broker does: a v0 body with error 35 (UNSUPPORTED_VERSION) that holds only the row of key 18.
func APIVersions(rows []VersionRange) Handler {
	return func(f *Frame) []byte {
		resp := kmsg.NewPtrApiVersionsResponse()
		resp.Version = f.Version
		for _, r := range rows {
			if r.Key == 18 && (f.Version < r.Min || f.Version > r.Max) {
				resp.Version, resp.ErrorCode = 0, 35
				resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: 18, MinVersion: r.Min, MaxVersion: r.Max}}
				return resp.AppendTo(nil)
			}
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MinVersion, k.MaxVersion = r.Key, r.Min, r.Max
			resp.ApiKeys = append(resp.ApiKeys, k)
		}
		return resp.AppendTo(nil)
	}
}

// metadata names this broker as the only one and the controller; topics asked for come back unknown (error 3).
func (b *Broker) metadata(f *Frame) []byte {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = f.Version
	if err := req.ReadFrom(f.Body); err != nil {
		b.fail("metadata v%d: %v", f.Version, err)
		return nil
	}
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = f.Version
	node := kmsg.NewMetadataResponseBroker()
	node.NodeID = b.nodeID
	node.Host, node.Port = b.HostPort()
	resp.Brokers = append(resp.Brokers, node)
	resp.ControllerID = b.nodeID
	resp.ClusterID = new("fakebroker")
	for _, rt := range req.Topics {
		t := kmsg.NewMetadataResponseTopic()
		t.Topic, t.TopicID, t.ErrorCode = rt.Topic, rt.TopicID, 3
		resp.Topics = append(resp.Topics, t)
	}
	return resp.AppendTo(nil)
}

// Held is a handler's brake: answers wait until it is released. Make it with [Hold].
type Held struct {
	release chan struct{}
	arrived chan *Frame
}

// Hold wraps a handler so that its answers, and all later ones of the connection, wait for [Held.Release].
// Requests meanwhile go on being read and logged. Until release it notes at most 64 arrived requests.
func (b *Broker) Hold(h Handler) (Handler, *Held) {
	held := &Held{release: make(chan struct{}), arrived: make(chan *Frame, 64)}
	return func(f *Frame) []byte {
		select {
		case held.arrived <- f:
		default:
		}
		select {
		case <-held.release:
		case <-b.closed:
			return nil
		}
		return h(f)
	}, held
}

// Arrived yields each request whose answer is being held.
func (h *Held) Arrived() <-chan *Frame { return h.arrived }

// Release lets all held answers, and all later ones, go. It must be called at most once.
func (h *Held) Release() { close(h.release) }
