package proxy

import (
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxBrokers bounds the topology. Kafka's largest clusters have a few thousand brokers.
const maxBrokers = 10_000

// BrokerInfo is one broker as the last answer that named it told.
type BrokerInfo struct {
	NodeID   int32     `json:"node_id"`
	Address  string    `json:"address"` // host:port that the broker advertises to warder
	LastSeen time.Time `json:"last_seen"`
}

// topology remembers which broker has which address. Node ids are never
// renumbered: clients compare them (ApiVersions v5, KIP-1242).
type topology struct {
	mu        sync.RWMutex
	brokers   map[int32]BrokerInfo // guarded by mu
	clusterID string               // guarded by mu
	changed   func()               // set at construction; called without mu
}

func newTopology(changed func()) *topology {
	return &topology{brokers: make(map[int32]BrokerInfo), changed: changed}
}

// learn notes what an answer says of a broker; ok is false when the topology is full.
func (t *topology) learn(id int32, host string, port int32, now time.Time) (ok bool) {
	address := net.JoinHostPort(host, strconv.Itoa(int(port)))
	t.mu.RLock()
	b, known := t.brokers[id]
	t.mu.RUnlock()
	if known && b.Address == address && now.Sub(b.LastSeen) < time.Minute {
		return true
	}
	t.mu.Lock()
	if !known && len(t.brokers) >= maxBrokers {
		t.mu.Unlock()
		return false
	}
	t.brokers[id] = BrokerInfo{NodeID: id, Address: address, LastSeen: now}
	t.mu.Unlock()
	if b.Address != address {
		t.changed()
	}
	return true
}

// address returns where broker id was last known to be.
func (t *topology) address(id int32) (string, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	b, ok := t.brokers[id]
	return b.Address, ok
}

// learnCluster notes the cluster id.
func (t *topology) learnCluster(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id != "" {
		t.clusterID = id
	}
}

// cluster returns the cluster id, "" while unknown.
func (t *topology) cluster() string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.clusterID
}

// size returns how many brokers are known.
func (t *topology) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.brokers)
}

// all returns the brokers in the order of their ids.
func (t *topology) all() []BrokerInfo {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]BrokerInfo, 0, len(t.brokers))
	for _, b := range t.brokers {
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b BrokerInfo) int { return int(a.NodeID) - int(b.NodeID) })
	return list
}

// restore takes over what the state file remembers.
func (t *topology) restore(cluster string, brokers []BrokerInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clusterID = cluster
	for _, b := range brokers[:min(len(brokers), maxBrokers)] {
		t.brokers[b.NodeID] = b
	}
}
