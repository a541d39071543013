package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
)

// The plain relay: what a Go program that moves bytes costs at least. This binary runs itself as one.

const relayBuffer = 32 << 10

func startRelay(b *bench, r *running, broker string) error {
	port, err := b.freePorts(1)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r.addr = hostPort(port)
	return b.command(r, self, "relay", r.addr, broker)
}

// relay copies between clients and one broker until it is killed. io.Copy alone would splice, which costs a pipe for each
// direction, and what is spliced cannot be looked into.
func relay(listen, broker string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	collect := make(chan os.Signal, 1)
	signal.Notify(collect, syscall.SIGUSR1)
	go func() {
		for range collect {
			debug.FreeOSMemory()
		}
	}()
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			up, err := net.Dial("tcp", broker)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			defer up.Close()
			var answers sync.WaitGroup
			answers.Go(func() { forward(client, up) })
			forward(up, client)
			up.Close()
			answers.Wait()
		}()
	}
}

// forward copies until either side ends. The connections are wrapped so that nothing but Read and Write is used.
func forward(to io.Writer, from io.Reader) {
	io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, relayBuffer)) //nolint:errcheck // either side has ended
}
