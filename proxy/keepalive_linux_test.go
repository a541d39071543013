package proxy

import (
	"net"
	"syscall"
	"testing"
)

const tcpUserTimeout = 18 // TCP_USER_TIMEOUT, which package syscall does not have

// A peer that vanishes without a word, with its host or on the way, is found out by the
// system, which asks it now and then: what package net sets is what docs/reliability.md promises. Brokers
// and Java clients ask too, at the pace of their system (SocketServer, Selector.configureSocketChannel), which
// on Linux begins after two hours.
//
// TCP_USER_TIMEOUT is not set: it would end a connection also when the peer acknowledges everything and only has no
// room, as a consumer in a debugger has, or a broker that holds a client back by its quota; and it takes the place of the nine
// questions, so that a time long enough for those would miss idle peers later.
func TestVanishedPeersAreAskedFor(t *testing.T) {
	r := hostileRig(t, nil)
	r.neighbour()
	want := map[string][3]int{ // level, option, value
		"SO_KEEPALIVE":     {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		"TCP_KEEPIDLE":     {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 15},
		"TCP_KEEPINTVL":    {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15},
		"TCP_KEEPCNT":      {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 9},
		"TCP_USER_TIMEOUT": {syscall.IPPROTO_TCP, tcpUserTimeout, 0},
	}
	for _, s := range r.open() {
		s.mu.Lock()
		sides := map[string]net.Conn{"client": s.client, "broker": s.broker}
		s.mu.Unlock()
		for side, conn := range sides {
			tcp, _ := tcpOf(conn)
			raw, err := tcp.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			err = raw.Control(func(fd uintptr) {
				for name, o := range want {
					if got, err := syscall.GetsockoptInt(int(fd), o[0], o[1]); err != nil || got != o[2] {
						t.Errorf("%s of the %s is %d, %v", name, side, got, err)
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
