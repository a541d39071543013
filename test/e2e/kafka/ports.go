package kafka

import (
	"fmt"
	"net"
	"os"
	"sync"
)

var ports struct {
	sync.Mutex
	next int
}

// LastPort is the last that Ports gives.
const LastPort = 31999

// Ports returns n free loopback ports that follow one another, below the range that systems take client ports from, so that no
// client's own port can be mistaken for a broker's. Ports given once are not given again by this process.
func Ports(n int) (int, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.next == 0 {
		ports.next = 21000 + os.Getpid()%20*500 // runs side by side, in other checkouts, rarely meet
	}
	for first := ports.next; first+n <= LastPort+1; first++ {
		if free(first, n) {
			ports.next = first + n
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row between %d and %d", n, ports.next, LastPort)
}

func free(first, n int) bool {
	for p := first; p < first+n; p++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}
