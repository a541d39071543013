package proxy

import (
	"reflect"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/proxy/tap"
)

// noteErrors shows the errors in an answer to whoever looks at the exchange.
// Answers with records are not held for that: see noteProduced and tapFetched.
func (s *session) noteErrors(ex *exchange, a *answer) error {
	switch {
	case ex.tap == nil, ex.key == protocol.Produce, ex.key == protocol.Fetch:
		return nil
	case protocol.LookupAPI(ex.key) == nil, a.size > s.srv.settings().maxMessage, ex.key == protocol.ShareFetch && a.size > windowSize:
		ex.tapOutcome(tap.OutcomeUnread)
		return nil
	}
	body, err := s.read(ex, a)
	switch {
	case a.raw == nil:
		return err
	case err != nil: // its header is malformed, which is for who needs the answer
		ex.tapOutcome(tap.OutcomeUnread)
		return nil
	}
	got, _ := messages.DecodeResponse(ex.key, ex.version, body, s.srv.decodeLimits())
	if got == nil {
		ex.tapOutcome(tap.OutcomeUnread)
		return nil
	}
	f := failures{s, ex.tap}
	f.walk(reflect.ValueOf(got).Elem(), "", -1)
	return nil
}

// failures fills an exchange with the errors in its answer.
type failures struct {
	s *session
	x *tap.Exchange
}

// walk looks for errors in a struct of kmsg. They belong to what is named nearest: in
// the struct itself, else in those around it.
func (f failures) walk(v reflect.Value, name string, partition int32) {
	sh := shapeOf(v.Type())
	for _, field := range sh.named {
		eachString(v.Field(field.index), func(text string) { name = text })
	}
	if sh.resource >= 0 {
		name = v.Field(sh.resource).String()
	}
	if topic := f.s.nameIn(v, sh); topic != "" {
		name = topic
	}
	if sh.partition >= 0 {
		partition = int32(v.Field(sh.partition).Int())
	}
	if sh.errorCode >= 0 {
		if code := int16(v.Field(sh.errorCode).Int()); code != 0 {
			f.x.Failed(name, partition, errorName(code))
		}
	}
	for _, i := range sh.children {
		eachStruct(v.Field(i), func(child reflect.Value) { f.walk(child, name, partition) })
	}
}
