package capture

import (
	"slices"

	"golang.org/x/net/bpf"
)

// Positions of what the filter looks at, from the beginning of the IP header.
const (
	atIPv4Fragment = 6
	atIPv4Protocol = 9
	atIPv6Next     = 6
)

// fragmentOffset is where in the packet a fragment belongs, in the field at
// atIPv4Fragment.
const fragmentOffset = 0x1fff

// portRange is a row of ports without a gap, which takes the kernel one comparison more
// than a port alone.
type portRange struct{ first, last uint16 }

// ranges gives ports as rows, in order.
func ranges(ports []uint16) (rows []portRange) {
	ports = slices.Clone(ports)
	slices.Sort(ports)
	for _, p := range slices.Compact(ports) {
		if n := len(rows); n > 0 && rows[n-1].last+1 == p {
			rows[n-1].last = p
			continue
		}
		rows = append(rows, portRange{p, p})
	}
	return rows
}

// lets lets packets through whose port, which has been loaded, is of the row.
func (r portRange) lets() []bpf.Instruction {
	if r.first == r.last {
		return []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(r.first), SkipTrue: 1}, bpf.RetConstant{Val: everything}}
	}
	return []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(r.first), SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(r.last), SkipTrue: 1},
		bpf.RetConstant{Val: everything},
	}
}

// filter is a program for the kernel that lets TCP segments from and to the ports
// through, and what only hides them: fragments, and IPv6 packets with extension
// headers. It looks at packets that begin with their IP header.
func filter(ports []portRange) ([]bpf.RawInstruction, error) {
	ipv4 := []bpf.Instruction{
		bpf.LoadAbsolute{Off: atIPv4Protocol, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoTCP, SkipTrue: 1},
		bpf.RetConstant{},
		bpf.LoadAbsolute{Off: atIPv4Fragment, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: fragmentOffset, SkipTrue: 1},
		bpf.RetConstant{Val: everything},
		bpf.LoadMemShift{Off: 0},
	}
	ipv6 := []bpf.Instruction{bpf.LoadAbsolute{Off: atIPv6Next, Size: 1}}
	for _, header := range []uint32{protoHop, protoRoute, protoFrag, protoDest} {
		ipv6 = append(ipv6, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: header, SkipTrue: 1}, bpf.RetConstant{Val: everything})
	}
	ipv6 = append(ipv6, bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoTCP, SkipTrue: 1}, bpf.RetConstant{})
	for _, at := range []uint32{0, 2} { // the source port, the destination port
		ipv4 = append(ipv4, bpf.LoadIndirect{Off: at, Size: 2})
		ipv6 = append(ipv6, bpf.LoadAbsolute{Off: ipv6Header + at, Size: 2})
		for _, row := range ports {
			ipv4, ipv6 = append(ipv4, row.lets()...), append(ipv6, row.lets()...)
		}
	}
	ipv4, ipv6 = append(ipv4, bpf.RetConstant{}), append(ipv6, bpf.RetConstant{})
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtProto},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv4, SkipTrue: 1},
		bpf.Jump{Skip: 3},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv6, SkipTrue: 1},
		bpf.Jump{Skip: 1 + uint32(len(ipv4))},
		bpf.RetConstant{},
	}
	return bpf.Assemble(append(append(program, ipv4...), ipv6...))
}
