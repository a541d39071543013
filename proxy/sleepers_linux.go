package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// sleepers watches the sockets of sessions that rest: one epoll instance for all of them (epoll(7)), which is itself waited for as any file is.
type sleepers struct {
	file *os.File
	raw  syscall.RawConn

	mu     sync.Mutex
	asleep map[uint64]*session // guarded by mu; by socket.token
	token  uint64              // guarded by mu; the last one given
}

func newSleepers() (*sleepers, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // else os.NewFile does not wait for it by the runtime's poller
		syscall.Close(fd) //nolint:errcheck // nothing has been done with it
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &sleepers{file: os.NewFile(uintptr(fd), "epoll"), asleep: make(map[uint64]*session)}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// run wakes sessions until ctx ends.
func (p *sleepers) run(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { p.file.Close() })()
	var events [64]syscall.EpollEvent
	p.raw.Read(func(fd uintptr) bool { //nolint:errcheck // it ends when the file is closed
		for {
			n, err := syscall.EpollWait(int(fd), events[:], 0)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if n <= 0 {
				return false // waits until there are more
			}
			for _, ev := range events[:n] {
				p.wake(uint64(uint32(ev.Pad))<<32 | uint64(uint32(ev.Fd)))
			}
		}
	})
}

// wake wakes whom a socket belongs to; one that has been dropped meanwhile, nobody.
func (p *sleepers) wake(token uint64) {
	p.mu.Lock()
	s := p.asleep[token]
	p.mu.Unlock()
	if s != nil {
		s.wake()
	}
}

// add has s woken, once, when sock has something to read or is broken, at once if it is so already. It
// reports whether it can. s.mu is held.
func (p *sleepers) add(sock *socket, s *session) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	how := syscall.EPOLL_CTL_MOD // a socket stays known until it is closed, and is heard of once each time
	if sock.token == 0 {
		how = syscall.EPOLL_CTL_ADD
		p.token++
		sock.token = p.token
	}
	event := syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT,
		Fd:     int32(uint32(sock.token)), Pad: int32(uint32(sock.token >> 32)),
	}
	p.asleep[sock.token] = s
	if err := p.control(how, sock, &event); err != nil {
		delete(p.asleep, sock.token)
		return false
	}
	return true
}

func (p *sleepers) control(how int, sock *socket, event *syscall.EpollEvent) error {
	var closed, failed error
	err := p.raw.Control(func(epoll uintptr) {
		closed = sock.raw.Control(func(fd uintptr) { failed = syscall.EpollCtl(int(epoll), how, int(fd), event) })
	})
	return cmp.Or(err, closed, failed)
}

// drop forgets who was to be woken by sock.
func (p *sleepers) drop(sock *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.asleep, sock.token)
}
