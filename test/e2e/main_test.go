package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"warder/test/e2e/compare"
	"warder/test/e2e/driver"
	"warder/test/e2e/kafka"
	"warder/test/e2e/sockets"
)

// world is what all scenarios share.
type world struct {
	cache, run string // installed things; what this run writes
	certs      kafka.Certs
	three, old *kafka.Cluster
	watch      *sockets.Watch
	compare    *compare.Comparator // of what passes warders; nil in direct mode
	sums       *summary
	warderBin  string
	lock       *os.File
	admin      *driver.Driver // Java, direct: for what the tests themselves ask of the brokers
}

var w world

func TestMain(m *testing.M) {
	code, err := mainOf(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests:", err)
		code = 1
	}
	os.Exit(code)
}

func mainOf(m *testing.M) (int, error) {
	if err := w.alone(); err != nil {
		return 1, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	begin := time.Now()
	if err := w.prepare(ctx); err != nil {
		return 1, err
	}
	defer w.close()
	fmt.Printf("e2e: installed and started in %.0f s; mode: %s; clients: %v\n", time.Since(begin).Seconds(), modeText(), clientNames())
	code := m.Run()
	crashed := stopWarders()
	looks, others, found, err := w.watch.Stop()
	w.sums.print(os.Stdout)
	differ := compared()
	fmt.Printf("e2e: looked %d times for client sockets to brokers' ports: %d of clients, %d of others\n", looks, len(found), others)
	for _, f := range found {
		fmt.Println("e2e: FAIL", f)
	}
	switch {
	case err != nil:
		return 1, err
	case differ != nil:
		return 1, differ
	case len(crashed) > 0:
		return 1, fmt.Errorf("these warders ended by themselves: %v; their logs are in %s", crashed, w.run)
	case len(found) > 0:
		return 1, fmt.Errorf("%d client sockets reached a broker directly", len(found))
	case others == 0 && looks > 100:
		return 1, fmt.Errorf("the socket watch never saw warder's or the brokers' own sockets: it does not work")
	}
	return code, nil
}

func modeText() string {
	if directOnly {
		return "DIRECT ONLY, nothing is compared (E2E_MODE=direct)"
	}
	return "direct and through warder, results compared"
}

// prepare installs everything, builds warder, and starts the brokers and drivers.
func (w *world) prepare(ctx context.Context) error {
	var err error
	w.run = filepath.Join(w.cache, "run")
	if err = os.RemoveAll(w.run); err != nil {
		return err
	}
	if err = os.MkdirAll(w.run, 0o755); err != nil {
		return err
	}
	if w.certs, err = kafka.MakeCerts(w.run); err != nil {
		return err
	}
	w.sums = newSummary()
	if !directOnly {
		if w.warderBin, err = buildWarder(ctx, w.cache); err != nil {
			return err
		}
	}
	if err = w.startClusters(ctx); err != nil {
		return err
	}
	if !directOnly {
		if err = w.beginToCompare(); err != nil {
			return err
		}
	}
	w.watch = sockets.Start(append(w.three.Ports(), w.old.Ports()...))
	w.admin, err = startDriver(ctx, clients["java"], "admin", false)
	return err
}

// alone waits until no other run works in this checkout's cache.
func (w *world) alone() error {
	var err error
	if w.cache, err = filepath.Abs(".cache"); err != nil {
		return err
	}
	if err = os.MkdirAll(w.cache, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(w.cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	w.lock = lock // held until the process ends
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		return nil
	}
	fmt.Println("e2e: another run is under way in this checkout; waiting for it")
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
}

func (w *world) startClusters(ctx context.Context) error {
	jars, err := kafka.Jars(w.cache, kafka.Broker4)
	if err != nil {
		return err
	}
	oldJars, err := kafka.Jars(w.cache, kafka.Broker3)
	if err != nil {
		return err
	}
	for _, c := range selectedClients() {
		if err := c.install(ctx, w.cache); err != nil {
			return fmt.Errorf("installing client %s: %w", c.name, err)
		}
	}
	if w.three, err = kafka.Start(ctx, jars, filepath.Join(w.run, "kafka4"), 3, w.certs); err != nil {
		return err
	}
	w.old, err = kafka.Start(ctx, oldJars, filepath.Join(w.run, "kafka3"), 1, w.certs)
	return err
}

func (w *world) close() {
	stopDrivers()
	w.three.Stop()
	w.old.Stop()
}
