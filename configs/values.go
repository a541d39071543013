package configs

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written with a unit: 512B, 64KiB, 100MiB, 1GiB
// (powers of 1024) or kB, MB, GB (powers of 1000).
type Size int64

// Units of Size.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

var sizeUnits = []struct {
	suffix string
	bytes  Size
}{
	{"KiB", KiB}, {"MiB", MiB}, {"GiB", GiB}, {"TiB", TiB},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// UnmarshalText reads a size; the unit is required.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/int64(u.bytes) {
			break
		}
		*s = Size(n) * u.bytes
		return nil
	}
	return fmt.Errorf("%q is not a size; write a whole number and a unit, like 100MiB", text)
}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range []int{3, 2, 1, 0} {
		if b := sizeUnits[u].bytes; s != 0 && s%b == 0 {
			return strconv.FormatInt(int64(s/b), 10) + sizeUnits[u].suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Path names a file. One that comes from the configuration file is relative to
// the directory of that file, any other to the working directory.
type Path string

// Date is a day in UTC.
type Date struct{ time.Time }

// UnmarshalText reads YYYY-MM-DD.
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a date; write it like 2027-03-01", text)
	}
	d.Time = t
	return nil
}

// MarshalText writes YYYY-MM-DD.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.Format(time.DateOnly)), nil }

// Over says whether the whole day is past at now.
func (d Date) Over(now time.Time) bool { return !now.Before(d.AddDate(0, 0, 1)) }

// Address is host:port; an IPv6 host stands in brackets.
type Address string

// UnmarshalText reads host:port. The host may be empty (all interfaces).
func (a *Address) UnmarshalText(text []byte) error {
	s := string(text)
	if Address(s) == AdminOff { // only the admin address may say so; validation sees to it
		*a = AdminOff
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not an address; write host:port, like 127.0.0.1:9092", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%q is not a port in %q; ports are 0 to 65535", port, s)
	}
	if err := checkHost(host); host != "" && err != nil {
		return fmt.Errorf("%w in %q", err, s)
	}
	*a = Address(s)
	return nil
}

// Host is the part before the port, without brackets; may be empty.
func (a Address) Host() string {
	host, _, _ := net.SplitHostPort(string(a))
	return host
}

// Port is the part after the host.
func (a Address) Port() int {
	_, port, _ := net.SplitHostPort(string(a))
	n, _ := strconv.Atoi(port)
	return n
}

// Wildcard says whether the address stands for all interfaces, which no client
// can connect to.
func (a Address) Wildcard() bool { return wildcardHost(a.Host()) }

// Loopback says whether only this machine can reach the address.
func (a Address) Loopback() bool {
	host := a.Host()
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func wildcardHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || host == "*" || err == nil && ip.Unmap().IsUnspecified()
}

var errHost = errors.New("not a host name or IP address")

// checkHost accepts IP addresses and names of letters, digits, '-', '_' and '.'.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if host == "" || len(host) > 253 {
		return errHost
	}
	for _, r := range host {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
		default:
			return errHost
		}
	}
	return nil
}

// PortRange is FIRST-LAST, both included. The zero value (`0`) stands for any
// free port.
type PortRange struct{ First, Last uint16 }

// UnmarshalText reads FIRST-LAST, or 0.
func (p *PortRange) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*p = PortRange{}
		return nil
	}
	first, last, ok := strings.Cut(string(text), "-")
	if !ok {
		last = first
	}
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a {
		return fmt.Errorf("%q is not a range of ports; write FIRST-LAST, like 9093-9192, or 0 for any free port", text)
	}
	*p = PortRange{First: uint16(a), Last: uint16(b)}
	return nil
}

// MarshalText writes FIRST-LAST, or 0.
func (p PortRange) MarshalText() ([]byte, error) {
	if p == (PortRange{}) {
		return []byte("0"), nil
	}
	return fmt.Appendf(nil, "%d-%d", p.First, p.Last), nil
}

// Any says whether the range stands for any free port.
func (p PortRange) Any() bool { return p == PortRange{} }

// Len is the number of ports; 0 when any free port will do.
func (p PortRange) Len() int {
	if p.Any() {
		return 0
	}
	return int(p.Last) - int(p.First) + 1
}

// portsAfter is the default pool of a listener: the 100 ports after its own,
// fewer at the end of the port space, any free ones when it takes any itself.
func portsAfter(port int) *PortRange {
	if port == 0 || port == math.MaxUint16 {
		return &PortRange{}
	}
	return &PortRange{First: uint16(port + 1), Last: uint16(min(port+100, math.MaxUint16))}
}

func defaultListenerName(i int) string {
	if i == 0 {
		return "default"
	}
	return "listener-" + strconv.Itoa(i+1)
}
