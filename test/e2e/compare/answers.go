package compare

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// carriesAddresses are the APIs whose answers name brokers by host and port.
var carriesAddresses = map[int16]bool{
	protocol.Produce: true, protocol.Fetch: true, protocol.Metadata: true, protocol.FindCoordinator: true,
	protocol.DescribeCluster: true, protocol.ShareFetch: true, protocol.ShareAcknowledge: true,
}

// padding is the lowest number of the tagged field by which warder keeps the size of a Fetch or ShareFetch answer (KIP-482 has readers skip it).
const padding = 127

// unsupportedVersion is UNSUPPORTED_VERSION, which comes with an ApiVersions answer of version 0 whatever was asked.
const unsupportedVersion = 35

// sameAnswer wants an answer to reach the client as the broker gave it, but for what warder is there to change.
func (s *session) sameAnswer(x *exchange, client, broker *frame) {
	if client.same(broker) && len(x.cut) == 0 {
		if why := s.leaked(x, client); why != "" {
			s.differ(x, why, nil, client)
			return
		}
		s.equal(x)
		return
	}
	if !client.whole() || !broker.whole() {
		if carriesAddresses[x.Key] {
			s.giveUp("an answer with addresses that is too large to be kept")
			return
		}
		s.differ(x, "the answer reaches the client as another", broker, client)
		return
	}
	why := s.readAnswers(x, client.content(), broker.content())
	if why != "" {
		s.differ(x, why, broker, client)
		return
	}
	s.equal(x)
}

// leaked looks for the address of a broker in an answer that has reached the client as it was.
func (s *session) leaked(x *exchange, client *frame) (why string) {
	if !carriesAddresses[x.Key] || !client.whole() {
		return ""
	}
	head, err := protocol.ResponseHeaderSize(x.Key, x.Version, client.content())
	if err != nil {
		return ""
	}
	m := answerOf(x, nil)
	if m == nil || m.ReadFrom(client.content()[head:]) != nil {
		return ""
	}
	for _, a := range takeAddresses(m) {
		if a.broker() && !s.warders(a) {
			return fmt.Sprintf("the client is told of %v, which is not warder's", a)
		}
	}
	return ""
}

// warders says whether an address is one of the warder that the client has connected to.
func (s *session) warders(a address) bool {
	return a.host == s.host && s.warder.ports[a.port]
}

// readAnswers compares two answers of which the bytes differ; why is empty when they may.
func (s *session) readAnswers(x *exchange, client, broker []byte) (why string) {
	const other = "the answer reaches the client as another"
	head, err := protocol.ResponseHeaderSize(x.Key, x.Version, broker)
	if err != nil || len(client) < head || !bytes.Equal(client[:head], broker[:head]) {
		return other
	}
	client, broker = client[head:], broker[head:]
	seen, said := answerOf(x, client), answerOf(x, broker)
	if seen == nil || said == nil || !reads(said, broker) {
		return other
	}
	padded := keepsSize(x.Key) && len(client) == len(broker)
	switch {
	case reads(seen, client):
	case !padded, seen.ReadFrom(client) != nil, shared(client, broker) < tailOf(said, broker):
		return other
	default: // lengths among the addresses are written longer than they need be, and kmsg would write them shorter
	}
	switch {
	case x.Key == protocol.ApiVersions:
		clamp(said.(*kmsg.ApiVersionsResponse)) //nolint:forcetypeassert // by its key
		s.c.report.Clamped++
	case carriesAddresses[x.Key]:
		if why := s.blank(seen, said); why != "" {
			return why
		}
		s.c.report.Rewritten++
		if padded {
			unpad(seen, said)
		}
	default:
		return other
	}
	if len(x.cut) > 0 && !withoutRefused(seen, x.cut) {
		return "a batch was refused, and the client is not told so"
	}
	if !bytes.Equal(seen.AppendTo(nil), said.AppendTo(nil)) {
		return other + ", beside what warder is there to change"
	}
	return ""
}

// answerOf is an empty answer to a request, nil if kmsg does not know it.
func answerOf(x *exchange, body []byte) kmsg.Response {
	m := kmsg.ResponseForKey(x.Key)
	if m == nil || x.Version > m.MaxVersion() {
		return nil
	}
	m.SetVersion(x.Version)
	if x.Key == protocol.ApiVersions && len(body) >= 2 && binary.BigEndian.Uint16(body) == unsupportedVersion {
		m.SetVersion(0)
	}
	return m
}

// clamp narrows the ranges that a broker states to those that warder has in its table.
func clamp(m *kmsg.ApiVersionsResponse) {
	var ranges []kmsg.ApiVersionsResponseApiKey
	for _, r := range m.ApiKeys {
		api := protocol.LookupAPI(r.ApiKey)
		if api == nil || api.Treatment == protocol.TreatRefuse {
			continue
		}
		r.MinVersion, r.MaxVersion = max(r.MinVersion, api.Min), min(r.MaxVersion, api.Max)
		if r.ApiKey == protocol.SaslHandshake {
			r.MinVersion = max(r.MinVersion, 1) // bare tokens follow version 0
		}
		if r.MinVersion <= r.MaxVersion {
			ranges = append(ranges, r)
		}
	}
	m.ApiKeys = ranges
}

// blank takes the addresses of brokers out of both answers. Where the broker named one, the client must see one of warder's.
func (s *session) blank(seen, said kmsg.Response) (why string) {
	to, from := takeAddresses(seen), takeAddresses(said)
	for i := range min(len(to), len(from)) {
		if to[i] == from[i] && !from[i].broker() {
			continue
		}
		if !from[i].broker() || !s.warders(to[i]) {
			return fmt.Sprintf("the broker names %v, and the client is told %v, which is not warder's", from[i], to[i])
		}
	}
	return ""
}

// address is where an answer says that a broker is.
type address struct {
	host string
	port int
}

// broker is false for an address that stands for none, such as that of a coordinator that could not be found (Node.noNode in Java).
func (a address) broker() bool { return a.host != "" && a.port > 0 }

// takeAddresses blanks the addresses in a message, and gives them in order. Port follows Host in all of them.
func takeAddresses(m kmsg.Response) (all []address) {
	fields(reflect.ValueOf(m), func(name string, v reflect.Value) {
		switch name {
		case "Host":
			all = append(all, address{host: v.String()})
			v.SetZero()
		case "Port":
			all[len(all)-1].port = int(v.Int())
			v.SetZero()
		}
	})
	return all
}

// fields goes through all fields of a message that hold a value.
func fields(v reflect.Value, each func(name string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fields(v.Elem(), each)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				fields(v.Index(i), each)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				each(f.Name, v.Field(i))
				fields(v.Field(i), each)
			}
		}
	default:
	}
}

// keepsSize says whether warder changes answers of an API at equal length, since the beginning is gone when the end arrives.
func keepsSize(key int16) bool { return key == protocol.Fetch || key == protocol.ShareFetch }

// tailOf is where the addresses and tags begin that end an answer, which m holds.
func tailOf(m kmsg.Response, body []byte) int {
	without := reflect.New(reflect.TypeOf(m).Elem())
	without.Elem().Set(reflect.ValueOf(m).Elem())
	for _, name := range []string{"Brokers", "NodeEndpoints", "UnknownTags"} {
		if f := without.Elem().FieldByName(name); f.IsValid() {
			f.SetZero()
		}
	}
	shorter, _ := reflect.TypeAssert[kmsg.Response](without)
	return shared(shorter.AppendTo(nil), body)
}

// shared is how many bytes two texts have in common at their beginning.
func shared(a, b []byte) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// unpad takes the field out that keeps the size of an answer: zeros, under a number that the broker has not used.
func unpad(seen, said kmsg.Response) {
	tags := func(m kmsg.Response) *kmsg.Tags {
		at := reflect.ValueOf(m).Elem().FieldByName("UnknownTags")
		t, _ := reflect.TypeAssert[*kmsg.Tags](at.Addr())
		return t
	}
	used := map[uint32]bool{}
	tags(said).Each(func(number uint32, _ []byte) { used[number] = true })
	var left kmsg.Tags
	tags(seen).Each(func(number uint32, value []byte) {
		if number < padding || used[number] || len(bytes.Trim(value, "\x00")) > 0 {
			left.Set(number, value)
		}
	})
	*tags(seen) = left
}
