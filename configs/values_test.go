package configs

import (
	"encoding"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestValuesAsWritten(t *testing.T) {
	for _, c := range []struct {
		into interface {
			encoding.TextUnmarshaler
			encoding.TextMarshaler
		}
		text, want string
	}{
		{new(Size), "0B", "0B"},
		{new(Size), "1024B", "1KiB"},
		{new(Size), "100MiB", "100MiB"},
		{new(Size), "1536 KiB", "1536KiB"},
		{new(Size), "2GB", "1953125KiB"},
		{new(PortRange), "9093-9192", "9093-9192"},
		{new(PortRange), "9093 - 9192", "9093-9192"},
		{new(PortRange), "9093", "9093-9093"},
		{new(PortRange), "0", "0"},
		{new(Date), "2027-03-01", "2027-03-01"},
	} {
		if err := c.into.UnmarshalText([]byte(c.text)); err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got, _ := c.into.MarshalText(); string(got) != c.want {
			t.Errorf("%s became %s, want %s", c.text, got, c.want)
		}
	}
}

func TestValuesRefused(t *testing.T) {
	for _, c := range []struct {
		into  encoding.TextUnmarshaler
		texts []string
	}{
		{new(Size), []string{"", "100", "-1MiB", "1.5GiB", "MiB", "99999999999TiB", "1mib"}},
		{new(PortRange), []string{"", "0-10", "9192-9093", "9093-", "9093-70000", "a-b", "-1"}},
		{new(Date), []string{"", "2027-3-1", "01.03.2027", "2027-02-30"}},
		{new(Address), []string{"", "kafka", "kafka:", "kafka:65536", "kafka:+1", "kafka:01", "kafka:http", "::1:9092", "ka fka:1", "http://kafka:9092", "-:"}},
		{new(Pattern), []string{"", "!", "!!a", "{a", "a}", "{a,{b}}"}},
	} {
		for _, text := range c.texts {
			if err := c.into.UnmarshalText([]byte(text)); err == nil {
				t.Errorf("%T accepts %q", c.into, text)
			}
		}
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		text               string
		host               string
		port               int
		wildcard, loopback bool
	}{
		{"127.0.0.1:9092", "127.0.0.1", 9092, false, true},
		{"localhost:1", "localhost", 1, false, true},
		{"[::1]:9092", "::1", 9092, false, true},
		{"[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, false, true},
		{"0.0.0.0:9092", "0.0.0.0", 9092, true, false},
		{"[::]:9092", "::", 9092, true, false},
		{":9092", "", 9092, true, false},
		{"kafka-1.internal:0", "kafka-1.internal", 0, false, false},
		{"10.1.2.3:65535", "10.1.2.3", 65535, false, false},
	} {
		var a Address
		if err := a.UnmarshalText([]byte(c.text)); err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if a.Host() != c.host || a.Port() != c.port || a.Wildcard() != c.wildcard || a.Loopback() != c.loopback {
			t.Errorf("%s: host %q port %d wildcard %t loopback %t", c.text, a.Host(), a.Port(), a.Wildcard(), a.Loopback())
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "7d": 7 * 24 * time.Hour, "0s": 0} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "30", "-1s", "1w", "d", "1.5d"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q became %v", text, got)
		}
	}
}

func TestSuppressionHoldsToTheEndOfItsDay(t *testing.T) {
	var d Date
	if err := d.UnmarshalText([]byte("2027-03-01")); err != nil {
		t.Fatal(err)
	}
	if d.Over(time.Date(2027, 3, 1, 23, 59, 59, 0, time.UTC)) || !d.Over(time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC)) {
		t.Error("the last day does not end at midnight UTC")
	}
}

func TestSizesSurviveWriting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64Min(0).Draw(t, "bytes"))
		var got Size
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%d was written %s and read as %d, %v", int64(want), want, int64(got), err)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"action", "topics", "clients", "error_code", "mode", "client_id"}
	for got, want := range map[string]string{"moed": "mode", "topic": "topics", "Action": "action", "errorcode": "error_code", "client": "clients", "zzz": "", "x": ""} {
		if best, _ := Nearest(got, known); best != want {
			t.Errorf("%s: got %q, want %q", got, best, want)
		}
	}
}
