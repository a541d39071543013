package builtin

import (
	"testing"

	"warder/rules"
	"warder/rules/format"
)

func TestWhatIsKnownOfAFetchedRecord(t *testing.T) {
	tp := rules.TopicPartition{Topic: "orders", Partition: 3}
	s := (*poisonMessage)(nil).NewShared().(*fetchedForms)
	note := func(from, to int64, class format.Class) {
		for offset := from; offset <= to; offset++ {
			s.note(tp, form{offset: offset, class: class})
		}
	}
	if _, ok := s.of(tp, 0); ok {
		t.Error("something is known of what nobody fetched")
	}
	note(0, 3, format.JSON)
	if f, ok := s.of(tp, 2); !ok || f.odd || f.class != format.JSON {
		t.Errorf("too few are known to be odd: %+v", f)
	}
	note(4, 9, format.JSON)
	note(10, 10, format.Text)
	note(11, 40, format.JSON)
	for offset, want := range map[int64]int64{10: 10, 0: 10, 5: 10} {
		if f, ok := s.of(tp, offset); !ok || !f.odd || f.offset != want || f.class != format.Text || f.usual != format.JSON {
			t.Errorf("at %d: %+v, %v", offset, f, ok)
		}
	}
	if f, ok := s.of(tp, 11); ok {
		t.Errorf("what lies before an offset does not stop anybody there: %+v", f)
	}
	if f, ok := s.of(tp, 40); !ok || f.odd {
		t.Errorf("%+v, %v", f, ok)
	}
	// What becomes usual is odd no more, though it was when it was first met.
	note(41, 900, format.Text)
	if f, ok := s.of(tp, 10); ok && f.odd {
		t.Errorf("%+v", f)
	}
}

func TestFetchedRecordsAreKeptWithinBounds(t *testing.T) {
	s := (*poisonMessage)(nil).NewShared().(*fetchedForms)
	for i := range int32(formPartitions + 10) {
		s.note(rules.TopicPartition{Topic: "orders", Partition: i}, form{offset: 1})
	}
	if s.Len() != formPartitions || s.Evicted() != 10 {
		t.Errorf("%d kept, %d forgotten", s.Len(), s.Evicted())
	}
}
