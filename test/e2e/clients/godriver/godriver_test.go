package godriver

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestGeneratedRecordsHaveTheAgreedDigest(t *testing.T) {
	text, err := os.ReadFile("../vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	type part struct {
		Count  int    `json:"count"`
		SHA256 string `json:"sha256"`
	}
	var vectors []struct {
		Generate   Generate        `json:"generate"`
		Partitions map[string]part `json:"partitions"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		digests := NewDigests(false)
		for i := range v.Generate.Count {
			digests.Add(v.Generate.Record(i))
		}
		var got struct {
			Partitions map[string]part `json:"partitions"`
		}
		roundTrip(t, digests.Result(), &got)
		if !reflect.DeepEqual(got.Partitions, v.Partitions) {
			t.Errorf("%+v: got %v, want %v", v.Generate, got.Partitions, v.Partitions)
		}
	}
}

func roundTrip(t *testing.T, from, to any) {
	t.Helper()
	text, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatal(err)
	}
}

func TestRecordTellsNullFromEmpty(t *testing.T) {
	const text = `{"t":"x","p":1,"o":7,"k":null,"v":"","h":[["a",null],["b",""],["c","eA=="]],"ts":5}`
	var r Record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.Key != nil || r.Value == nil || r.Headers[0].Value != nil || r.Headers[1].Value == nil {
		t.Errorf("null and empty are mixed up: %+v", r)
	}
	if back, err := json.Marshal(r); err != nil || string(back) != text {
		t.Errorf("got %s, %v", back, err)
	}
}

func TestProduceKeepsTheOrderOfResults(t *testing.T) {
	describe := func(err error) *Failure { return &Failure{Message: err.Error()} }
	r := &Request{Records: make([]Record, 3)}
	var late []func()
	send := func(r Record, done func(int32, int64, error)) {
		n := int64(len(late))
		late = append(late, func() {
			if n == 1 {
				done(0, 0, errors.New("refused"))
			} else {
				done(r.Partition, n, nil)
			}
		})
		if len(late) == 3 {
			for i := 2; i >= 0; i-- {
				late[i]()
			}
		}
	}
	result, err := Produce(r, true, send, describe)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(result)
	want := `{"acked":2,"failed":1,"results":[{"p":0,"o":0,"error":null},` +
		`{"p":0,"o":-1,"error":{"code":null,"message":"refused","retriable":null}},{"p":0,"o":2,"error":null}]}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestProduceTellsThePartitionThatTheLibraryChose(t *testing.T) {
	r := &Request{Records: []Record{{Partition: 4}, {Partition: 5}}}
	send := func(r Record, done func(int32, int64, error)) {
		if r.Partition != Chosen {
			t.Errorf("partition %d was handed over though the library is to choose", r.Partition)
		}
		done(9, 1, nil)
	}
	result, err := Produce(r, false, send, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(result)
	if want := `{"acked":2,"failed":0,"results":[{"p":9,"o":1,"error":null},{"p":9,"o":1,"error":null}]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestUnknownFormOfValueIsRefused(t *testing.T) {
	if _, err := Produce(&Request{Generate: &Generate{Count: 1, Value: "xml"}}, true, nil, nil); err == nil {
		t.Error("it was accepted")
	}
}

func TestServeAnswersEveryRequestAndCloses(t *testing.T) {
	closed := make(chan struct{})
	d := &Driver{
		Operations: map[string]Operation{"share": func(*Request) (any, error) { return nil, Unsupported("no share groups") }},
		Close:      func() { close(closed) },
	}
	for _, r := range []*Request{{ID: 1, Op: "share"}, {ID: 2, Op: "other"}} {
		var got answer
		roundTrip(t, d.Answer(r), &got)
		if got.ID != r.ID || got.OK || !got.Unsupported || got.Error.Message == "" {
			t.Errorf("%s: %+v", r.Op, got)
		}
	}
	if err := d.Serve(strings.NewReader("no JSON\n"), new(bytes.Buffer)); err == nil {
		t.Error("a line that is no request was accepted")
	}
	<-closed
}

func TestMemberForgetsPositionsOfWhatItLost(t *testing.T) {
	m := NewMember()
	m.Assign(map[string][]int32{"t": {0, 1}})
	m.Receive(Record{Topic: "t", Partition: 0, Offset: 4})
	m.Receive(Record{Topic: "t", Partition: 1, Offset: 9})
	m.Revoke(map[string][]int32{"t": {0}})
	if got := m.Positions(); !reflect.DeepEqual(got, map[string]int64{"t/1": 10}) {
		t.Errorf("got %v", got)
	}
}

func TestWorkThatIsToBeQuickerEnds(t *testing.T) {
	m := NewMember()
	m.Work() // which takes no time unless told
	m.Slow(time.Hour)
	done := make(chan struct{})
	go func() {
		m.Work()
		close(done)
	}()
	m.Slow(2 * time.Hour)
	select {
	case <-done:
		t.Error("slower work ended")
	default:
	}
	m.Slow(0)
	<-done
}
