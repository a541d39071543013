package proxy

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/rules"
)

// ApiVersions (key 18).
//
// Behaviour: the answer is clamped to what warder decodes, since an unknown
// version may carry broker addresses where nobody looks for them (KIP-951 put
// them into Produce and Fetch). APIs that warder refuses are left out, unknown
// ones too unless pass_unknown_apis is set. Everything else of the answer stays.
// The request tells the client's software (KIP-511).
//
// Version notes: the response header is version 0 always. A request of a version
// that warder does not know is answered as a broker does: version 0 body,
// UNSUPPORTED_VERSION, the range of ApiVersions alone; the client asks again.
// The same answer may come from a broker at any asked version. Version 5 carries
// the cluster and node the client expects (KIP-1242): both go on unchanged, since
// neither is renumbered here.

// versionMemory remembers what brokers said they speak, for warder's own
// requests in band. Brokers of one cluster differ only while it is upgraded, so
// the lowest that was seen is used.
type versionMemory struct {
	describeConfigs, metadata atomic.Int32 // highest version + 1; 0: nothing seen yet
}

// note remembers one range.
func (v *versionMemory) note(key, highest int16) {
	slot := v.slot(key)
	if slot == nil {
		return
	}
	for {
		old := slot.Load()
		if old != 0 && old <= int32(highest)+1 || slot.CompareAndSwap(old, int32(highest)+1) {
			return
		}
	}
}

func (v *versionMemory) slot(key int16) *atomic.Int32 {
	switch key {
	case protocol.DescribeConfigs:
		return &v.describeConfigs
	case protocol.Metadata:
		return &v.metadata
	}
	return nil
}

// apply sets the version of one of warder's own requests.
func (v *versionMemory) apply(req kmsg.Request) {
	version := req.MaxVersion()
	if slot := v.slot(req.Key()); slot != nil {
		if highest := slot.Load(); highest > 0 {
			version = min(version, int16(highest-1))
		}
	}
	req.SetVersion(version)
}

func onApiVersions(s *session, rq *request) error {
	if !rq.known() {
		frame := protocol.AppendUnsupportedApiVersions(make([]byte, 4), rq.CorrelationID)
		return s.answer(rq, s.exchange(rq, nil), withLength(frame))
	}
	if rq.Version >= 3 {
		body, err := s.body(rq)
		if err != nil {
			return err
		}
		if sw, err := messages.ParseApiVersionsRequest(rq.Version, body); err == nil && sw.Valid {
			s.identify(func(id *rules.Identity) { id.SoftwareName, id.SoftwareVersion = sw.Name, sw.Version })
		}
	}
	return s.forward(rq, s.exchange(rq, onApiVersionsAnswer))
}

func onApiVersionsAnswer(s *session, ex *exchange, a *answer) error {
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	out, ranges, err := messages.ClampApiVersions(nil, ex.version, body, offered, s.srv.settings().passUnknownAPIs)
	if err != nil {
		// Unclamped, the client could use what warder cannot follow; a broker whose
		// ApiVersions cannot be read would not work with any client either.
		return closing(ReasonMalformedResponse, err)
	}
	for _, r := range ranges {
		s.srv.versions.note(r.Key, r.Max)
	}
	return s.replace(a, out)
}

// offered gives the versions of an API that clients may use through warder.
func offered(key int16) (lowest, highest int16, known bool) {
	api := protocol.LookupAPI(key)
	if api == nil {
		return 0, 0, false
	}
	if api.Treatment == protocol.TreatRefuse {
		return 0, -1, true
	}
	if key == protocol.SaslHandshake {
		return 1, api.Max, true // version 0 is followed by bare tokens, see api_sasl.go
	}
	return api.Min, api.Max, true
}
