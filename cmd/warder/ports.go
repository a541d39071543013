package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"

	"warder/configs"
)

// portPlan foretells which port the proxy will give each broker of a listener.
// The proxy itself finds out by binding: a port that another program holds is
// passed over there, and not here. A test holds both to the same answers.
type portPlan struct {
	listener configs.Listener
	byNode   map[int32]int
	taken    map[int]bool
}

// newPortPlan begins with the ports that the state file remembers.
func newPortPlan(cfg *configs.Config, l configs.Listener) (*portPlan, error) {
	p := &portPlan{listener: l, byNode: map[int32]int{}, taken: map[int]bool{}}
	if cfg.StateFile == "" {
		return p, nil
	}
	data, err := os.ReadFile(string(cfg.StateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	var saved struct {
		Ports map[string]map[int32]int `json:"ports"`
	}
	if err == nil {
		err = json.Unmarshal(data, &saved)
	}
	if err != nil {
		return nil, fmt.Errorf("state_file %s: %w", cfg.StateFile, err)
	}
	for id, port := range saved.Ports[l.Name] {
		if l.Ports.Any() || port >= int(l.Ports.First) && port <= int(l.Ports.Last) {
			p.byNode[id], p.taken[port] = port, true
		}
	}
	return p, nil
}

// address is what clients of the listener are given for a broker.
func (p *portPlan) address(id int32) string {
	port, ok := p.port(id)
	switch a, mapped := p.listener.Map[id]; {
	case !ok:
		return "none: the ports are used up"
	case mapped:
		return string(a)
	case port == 0:
		return p.listener.Advertise + ":(any free port)"
	default:
		return net.JoinHostPort(p.listener.Advertise, strconv.Itoa(port))
	}
}

// port is the remembered one, else first plus id if that is in the range and
// free, else the next free one; 0 stands for any free port.
func (p *portPlan) port(id int32) (port int, ok bool) {
	if port, ok := p.byNode[id]; ok {
		return port, true
	}
	pool := p.listener.Ports
	if pool.Any() {
		return 0, true
	}
	if direct := int64(pool.First) + int64(id); id >= 0 && direct <= int64(pool.Last) && !p.taken[int(direct)] {
		port = int(direct)
	}
	for next := int(pool.First); port == 0 && next <= int(pool.Last); next++ {
		if !p.taken[next] {
			port = next
		}
	}
	p.byNode[id], p.taken[port] = port, true
	return port, port != 0
}
