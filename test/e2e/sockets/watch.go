// Package sockets watches, through /proc, that given processes never own a TCP socket to given ports.
package sockets

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Every is the time between two looks. A client that is sent round warder stays with the broker it found, for many looks; a shorter time
// costs the brokers a processor, since each look has the kernel print its whole table of sockets.
const Every = 50 * time.Millisecond

// Watch looks at processes until it is stopped.
type Watch struct {
	mu        sync.Mutex
	forbidden map[int]bool
	watched   map[int]string
	seen      map[string]bool // socket inodes already attributed
	found     []string
	looks     int
	sockets   int // sockets of other processes to forbidden ports: shows that looking works
	err       error
	stop      chan struct{}
	stopped   chan struct{}
}

// Start begins to watch for sockets whose remote port is one of ports.
func Start(ports []int) *Watch {
	w := &Watch{forbidden: map[int]bool{}, watched: map[int]string{}, seen: map[string]bool{}, stop: make(chan struct{}), stopped: make(chan struct{})}
	w.Forbid(ports)
	go w.run()
	return w
}

// Forbid adds ports.
func (w *Watch) Forbid(ports []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range ports {
		w.forbidden[p] = true
	}
}

// Add has process pid watched from now on; name is for the report.
func (w *Watch) Add(pid int, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched[pid] = name
	w.seen = map[string]bool{} // attribute everything again
}

// Remove ends the watch over a process that ended: its number may be given to another.
func (w *Watch) Remove(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watched, pid)
}

// Found returns one line for each socket of a watched process to a forbidden port so far.
func (w *Watch) Found() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.found...)
}

// Stop ends the watch and reports: how often it looked, how many sockets of others it told apart, and what it found.
func (w *Watch) Stop() (looks, others int, found []string, err error) {
	close(w.stop)
	<-w.stopped
	return w.looks, w.sockets, w.found, w.err
}

func (w *Watch) run() {
	defer close(w.stopped)
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			w.look()
		}
	}
}

func (w *Watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	fresh := map[string]string{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if err := w.read(table, fresh); err != nil {
			w.err = err
			return
		}
	}
	if len(fresh) == 0 {
		return
	}
	for pid, name := range w.watched {
		for _, inode := range inodes(pid) {
			if what, ok := fresh[inode]; ok {
				w.found = append(w.found, fmt.Sprintf("%s (pid %d) owns a socket to %s", name, pid, what))
			}
		}
	}
	for inode := range fresh {
		w.seen[inode] = true
		w.sockets++
	}
}

// read adds the sockets of table that go to a forbidden port and were not yet attributed. A socket in TIME_WAIT has no owner any more (inode 0): it was seen while it lived.
func (w *Watch) read(table string, fresh map[string]string) error {
	f, err := os.Open(table)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan() // heading
	for lines.Scan() {
		if bytes.Contains(lines.Bytes(), timeWait) {
			continue
		}
		col := strings.Fields(lines.Text())
		if len(col) < 10 || col[9] == "0" || w.seen[col[9]] {
			continue
		}
		_, hexPort, _ := strings.Cut(col[2], ":")
		port, err := strconv.ParseInt(hexPort, 16, 32)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", table, lines.Text(), err)
		}
		if w.forbidden[int(port)] {
			fresh[col[9]] = fmt.Sprintf("port %d (state %s)", port, col[3])
		}
	}
	return lines.Err()
}

// timeWait is the column of a socket in TIME_WAIT, of which there are thousands.
var timeWait = []byte(" 06 ")

// inodes lists the sockets among the open files of a process.
func inodes(pid int) []string {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil // it has ended
	}
	var all []string
	for _, f := range files {
		if link, err := os.Readlink(dir + "/" + f.Name()); err == nil && strings.HasPrefix(link, "socket:[") {
			all = append(all, link[len("socket:["):len(link)-1])
		}
	}
	return all
}
