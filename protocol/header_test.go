package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/wire"
)

// requestCase is one run of forRequests.
type requestCase struct {
	*testing.T
	kmsg.Request
	api protocol.API
}

// forRequests runs a test with an empty request of every key and version.
func forRequests(t *testing.T, test func(requestCase)) {
	t.Helper()
	for _, a := range protocol.APIs() {
		for v := range a.Max + 1 {
			if a.Key == protocol.ControlledShutdown && v == 0 {
				continue // kmsg writes a client id, see TestControlledShutdownV0HasNoClientID
			}
			req := kmsg.RequestForKey(a.Key)
			req.SetVersion(v)
			t.Run(fmt.Sprintf("%s_v%d", a.Name, v), func(t *testing.T) { test(requestCase{t, req, a}) })
		}
	}
}

func TestRequestHeaderOfEveryAPI(t *testing.T) {
	for name, client := range map[string]*string{"id": new("payments-7"), "empty": new(""), "null": nil} {
		var opts []kmsg.RequestFormatterOpt
		if client != nil {
			opts = append(opts, kmsg.FormatterClientID(*client))
		}
		formatter := kmsg.NewRequestFormatter(opts...)
		t.Run(name, func(t *testing.T) {
			forRequests(t, func(run requestCase) {
				t, a, req := run.T, run.api, run.Request
				frame := formatter.AppendRequest(nil, req, -77)[protocol.FrameLengthSize:]
				h, err := protocol.ParseRequestHeader(frame)
				if err != nil {
					t.Fatal(err)
				}
				if h.Key != a.Key || h.Version != req.GetVersion() || h.CorrelationID != -77 || h.API == nil {
					t.Errorf("header %+v", h)
				}
				if h.ClientIDNull != (client == nil) || client != nil && string(h.ClientID) != *client {
					t.Errorf("client id %q, null %v", h.ClientID, h.ClientIDNull)
				}
				if !bytes.Equal(frame[h.Size:], req.AppendTo(nil)) {
					t.Errorf("the body does not begin at %d", h.Size)
				}
				if client != nil && !bytes.Equal(protocol.AppendRequestHeader(nil, a.Key, h.Version, -77, *client), frame[:h.Size]) {
					t.Error("AppendRequestHeader writes it otherwise")
				}
				checkHeaderPrefixes(t, frame[:h.Size])
			})
		})
	}
}

func checkHeaderPrefixes(t *testing.T, header []byte) {
	t.Helper()
	for n := range header {
		if _, err := protocol.ParseRequestHeader(header[:n]); !errors.Is(err, protocol.ErrShort) {
			t.Fatalf("%d of %d bytes: %v, want ErrShort", n, len(header), err)
		}
	}
}

func TestControlledShutdownV0HasNoClientID(t *testing.T) {
	frame := []byte{0, 7, 0, 0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff}
	h, err := protocol.ParseRequestHeader(frame)
	if err != nil || h.Size != protocol.MinRequestHeader || h.HeaderVersion != 0 || h.CorrelationID != 9 {
		t.Errorf("header %+v, error %v", h, err)
	}
	if got := protocol.AppendRequestHeader(nil, protocol.ControlledShutdown, 0, 9, "x"); !bytes.Equal(got, frame[:8]) {
		t.Errorf("appended % x", got)
	}
}

// A client id keeps its two-byte length in header v2, and its tags follow.
func TestFlexibleHeaderKeepsClassicClientIDAndHasTags(t *testing.T) {
	header := protocol.AppendRequestHeader(nil, protocol.Metadata, 12, 5, "é")
	if want := []byte{0, 3, 0, 12, 0, 0, 0, 5, 0, 2, 0xc3, 0xa9, 0}; !bytes.Equal(header, want) {
		t.Fatalf("header % x, want % x", header, want)
	}
	tagged := append(header[:len(header)-1], 2, 0, 1, 'a', 9, 2, 'b', 'c')
	h, err := protocol.ParseRequestHeader(append(tagged, "body"...))
	if err != nil || h.Size != len(tagged) || string(h.ClientID) != "é" {
		t.Errorf("header %+v, error %v", h, err)
	}
	checkHeaderPrefixes(t, tagged)
}

func TestUnknownKeyIsReadUpToTheClientID(t *testing.T) {
	for _, key := range []int16{protocol.MaxKey + 1, 500, 10000, -1} {
		frame := wire.AppendInt32(wire.AppendInt16(wire.AppendInt16(nil, key), 3), 8)
		frame = wire.AppendString(frame, "vendor")
		h, err := protocol.ParseRequestHeader(append(frame, "rest"...))
		if err != nil || h.API != nil || string(h.ClientID) != "vendor" || h.Size != len(frame) {
			t.Errorf("key %d: header %+v, error %v", key, h, err)
		}
	}
}

// A version that is too high has the header of the highest, which lets
// ApiVersions be answered.
func TestVersionsAboveTheTableAreFlexible(t *testing.T) {
	for _, a := range protocol.APIs() {
		want := int8(1)
		if a.FlexibleFrom >= 0 {
			want = 2
		}
		if got := protocol.RequestHeaderVersion(a.Key, a.Max+1); got != want {
			t.Errorf("%s v%d: header v%d, want v%d", a.Name, a.Max+1, got, want)
		}
	}
}

func TestRequestHeaderMalformed(t *testing.T) {
	header := protocol.AppendRequestHeader(nil, protocol.Fetch, 12, 1, "c")
	hostile := append(header[:len(header)-1:len(header)-1], 0xff, 0xff, 0xff, 0xff, 0xff)
	var malformed *protocol.MalformedError
	if _, err := protocol.ParseRequestHeader(hostile); !errors.As(err, &malformed) || malformed.Field != "header tags" {
		t.Errorf("error %v, want malformed header tags", err)
	}
	endless := append(header[:len(header)-1:len(header)-1], 0xff, 0xff, 0x7f)
	endless = append(endless, make([]byte, protocol.MaxRequestHeader)...)
	if _, err := protocol.ParseRequestHeader(endless); !errors.As(err, &malformed) {
		t.Errorf("a header above %d bytes: %v, want malformed", protocol.MaxRequestHeader, err)
	}
	if !strings.Contains(malformed.Error(), "Fetch v12") {
		t.Errorf("the error does not name the request: %v", malformed)
	}
}

// ApiVersions answers have header v0 at every version, so that a client can
// read the answer to a version that the broker does not know.
func TestApiVersionsResponseHeaderHasNoTags(t *testing.T) {
	for _, a := range protocol.APIs() {
		for v := range a.Max + 2 {
			want := int8(0)
			if a.Flexible(v) && a.Key != protocol.ApiVersions {
				want = 1
			}
			if got := protocol.ResponseHeaderVersion(a.Key, v); got != want {
				t.Errorf("%s v%d: response header v%d, want v%d", a.Name, v, got, want)
			}
			header := protocol.AppendResponseHeader(nil, a.Key, v, 1)
			if len(header) != protocol.MinResponseHeader+int(want) {
				t.Errorf("%s v%d: header % x", a.Name, v, header)
			}
			if n, err := protocol.ResponseHeaderSize(a.Key, v, append(header, 7)); n != len(header) || err != nil {
				t.Errorf("%s v%d: size %d (%v), want %d", a.Name, v, n, err, len(header))
			}
		}
	}
}

func TestResponseHeaderWithTags(t *testing.T) {
	header := []byte{0, 0, 0, 1, 2, 0, 1, 'a', 9, 0}
	for n := range header {
		if _, err := protocol.ResponseHeaderSize(protocol.Metadata, 12, header[:n]); !errors.Is(err, protocol.ErrShort) {
			t.Errorf("%d bytes: %v, want ErrShort", n, err)
		}
	}
	if n, err := protocol.ResponseHeaderSize(protocol.Metadata, 12, append(header, 3)); n != len(header) || err != nil {
		t.Errorf("size %d (%v), want %d", n, err, len(header))
	}
}

func TestUnsupportedApiVersionsIsAnsweredInV0(t *testing.T) {
	got := protocol.AppendUnsupportedApiVersions(nil, 0x01020304)
	want := []byte{1, 2, 3, 4, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5}
	if !bytes.Equal(got, want) {
		t.Fatalf("answer % x, want % x", got, want)
	}
	resp := kmsg.NewPtrApiVersionsResponse()
	if err := resp.ReadFrom(got[protocol.MinResponseHeader:]); err != nil || resp.ErrorCode != protocol.CodeUnsupportedVersion {
		t.Errorf("kmsg reads %+v, error %v", resp, err)
	}
}

func TestHeadersAllocateNothing(t *testing.T) {
	header := protocol.AppendRequestHeader(nil, protocol.Fetch, 17, 3, "client")
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		h, err := protocol.ParseRequestHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		protocol.AppendRequestHeader(dst, h.Key, h.Version, h.CorrelationID, "client")
		if _, err := protocol.ParseRequestHeader(header[:10]); err == nil {
			t.Fatal("no error")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func FuzzRequestHeader(f *testing.F) {
	f.Add(protocol.AppendRequestHeader(nil, protocol.Produce, 9, 1, "a"))
	f.Add(protocol.AppendRequestHeader(nil, protocol.Produce, 3, 1, "a"))
	f.Add([]byte{0, 7, 0, 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := protocol.ParseRequestHeader(b)
		if err != nil {
			return
		}
		if h.Size < protocol.MinRequestHeader || h.Size > len(b) {
			t.Fatalf("size %d of %d bytes", h.Size, len(b))
		}
		again, err := protocol.ParseRequestHeader(b[:h.Size])
		if err != nil || again.Size != h.Size || !bytes.Equal(again.ClientID, h.ClientID) {
			t.Fatalf("the header alone reads as %+v (%v), not %+v", again, err, h)
		}
		if _, err := protocol.ParseRequestHeader(b[:h.Size-1]); !errors.Is(err, protocol.ErrShort) {
			t.Fatalf("one byte less: %v, want ErrShort", err)
		}
	})
}

func FuzzResponseHeader(f *testing.F) {
	f.Add(protocol.Metadata, int16(12), []byte{0, 0, 0, 1, 2, 0, 1, 'a', 9, 0})
	f.Add(protocol.ApiVersions, int16(3), []byte{0, 0, 0, 1, 0, 35})
	f.Fuzz(func(t *testing.T, key, version int16, b []byte) {
		n, err := protocol.ResponseHeaderSize(key, version, b)
		if err != nil {
			return
		}
		if n < protocol.MinResponseHeader || n > len(b) {
			t.Fatalf("size %d of %d bytes", n, len(b))
		}
		if _, err := protocol.ResponseHeaderSize(key, version, b[:n-1]); !errors.Is(err, protocol.ErrShort) {
			t.Fatalf("one byte less: %v, want ErrShort", err)
		}
	})
}
