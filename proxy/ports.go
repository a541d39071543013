package proxy

import (
	"iter"
	"maps"
	"net"
	"strconv"

	"warder/configs"
)

// PortPlan says which port of a listener stands for which broker: the one that
// the broker had before, first port plus id where that fits, else the next free
// one. Ids are often sparse (1001, 2000001), so the pool bounds brokers, not ids.
// It is not safe for concurrent use.
type PortPlan struct {
	listener configs.Listener
	byNode   map[int32]uint16 // also of brokers that are not there now
}

// NewPortPlan plans the ports of l; remembered are those of an earlier run,
// of which those outside the pool are dropped.
func NewPortPlan(l configs.Listener, remembered map[int32]uint16) *PortPlan {
	p := &PortPlan{listener: l, byNode: make(map[int32]uint16)}
	for id, port := range remembered {
		if l.Ports.Any() || port >= l.Ports.First && port <= l.Ports.Last {
			p.byNode[id] = port
		}
	}
	return p
}

// Choices yields the ports to try for broker id, best first; 0 is any free port.
func (p *PortPlan) Choices(id int32) iter.Seq[uint16] {
	taken := make(map[uint16]bool, len(p.byNode))
	for other, port := range p.byNode {
		if other != id {
			taken[port] = true
		}
	}
	own, remembered := p.byNode[id]
	pool := *p.listener.Ports
	return func(yield func(uint16) bool) {
		if remembered && !yield(own) {
			return
		}
		if pool.Any() {
			yield(0)
			return
		}
		if direct := int64(pool.First) + int64(id); id >= 0 && direct <= int64(pool.Last) && !taken[uint16(direct)] && !yield(uint16(direct)) {
			return
		}
		for port := int(pool.First); port <= int(pool.Last); port++ {
			if !taken[uint16(port)] && !yield(uint16(port)) {
				return
			}
		}
	}
}

// Keep notes that port stands for broker id.
func (p *PortPlan) Keep(id int32, port uint16) { p.byNode[id] = port }

// Ports returns the port of every broker that has or had one.
func (p *PortPlan) Ports() map[int32]uint16 { return maps.Clone(p.byNode) }

// Advertised is what clients are given for broker id when port stands for it.
func (p *PortPlan) Advertised(id int32, port uint16) (host string, advertisedPort int32) {
	if mapped, ok := p.listener.Map[id]; ok {
		return mapped.Host(), int32(mapped.Port())
	}
	return p.listener.Advertise, int32(port)
}

// Foretell says in words what clients will be given for broker id, and keeps the
// choice. The proxy itself finds out by binding: it passes over a port that another program holds.
func (p *PortPlan) Foretell(id int32) string {
	for port := range p.Choices(id) {
		if _, mapped := p.listener.Map[id]; port == 0 && !mapped {
			return p.listener.Advertise + ":(any free port)"
		}
		p.Keep(id, port)
		host, advertised := p.Advertised(id, port)
		return net.JoinHostPort(host, strconv.Itoa(int(advertised)))
	}
	return "none: the ports are used up"
}

// RememberedPorts returns the ports in the state file of c, by listener and node id.
func RememberedPorts(c *configs.Config) (map[string]map[int32]uint16, error) {
	st, err := (&stateFile{path: string(c.StateFile)}).read()
	if st == nil || err != nil {
		return nil, err
	}
	return st.Ports, nil
}
