package configs

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// watched runs a Watcher and gives what it reports.
func watched(t *testing.T, poll time.Duration, files ...string) <-chan []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan []string, 100)
	w := NewWatcher(
		func() []string { return files },
		func(files []string) { changes <- files },
		func(err error) { t.Errorf("watcher: %v", err) })
	w.settle, w.poll = 5*time.Millisecond, poll
	var done sync.WaitGroup
	done.Go(func() { w.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		done.Wait()
		goleak.VerifyNone(t)
	})
	return changes
}

// write replaces a file whole, so that nobody sees half of it.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+"~", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+"~", name); err != nil {
		t.Fatal(err)
	}
}

// next waits for a report; the test's own deadline is the limit.
func next(t *testing.T, changes <-chan []string, want ...string) {
	t.Helper()
	if got := <-changes; !slices.Equal(got, want) {
		t.Fatalf("reported %v, want %v", got, want)
	}
}

func TestWatcherSeesContentOnly(t *testing.T) {
	dir := t.TempDir()
	config, cert := filepath.Join(dir, "warder.yaml"), filepath.Join(dir, "cert.pem")
	write(t, config, "a")
	write(t, cert, "a")
	changes := watched(t, time.Hour, config, cert)
	write(t, filepath.Join(dir, "other"), "x")
	write(t, config, "a") // same content
	write(t, cert, "b")
	next(t, changes, cert)
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	next(t, changes, cert)
}

// Kubernetes mounts a ConfigMap as warder.yaml -> ..data/warder.yaml with
// ..data -> ..2026_11_24, and swaps ..data. A watch on the file hears the first
// swap at best.
func TestWatcherFollowsKubernetesSwaps(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "warder.yaml")
	swap := func(version string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "warder.yaml"), version)
		if err := os.Symlink(version, filepath.Join(dir, "..next")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	swap("..v1")
	if err := os.Symlink("..data/warder.yaml", config); err != nil {
		t.Fatal(err)
	}
	changes := watched(t, time.Hour, config)
	for _, version := range []string{"..v2", "..v3", "..v4"} {
		swap(version)
		next(t, changes, config)
		if err := os.RemoveAll(filepath.Join(dir, "..v1")); err != nil {
			t.Fatal(err)
		}
	}
}

// A file that is a symlink into another directory changes there.
func TestWatcherFollowsSymlinkTargets(t *testing.T) {
	live, archive := t.TempDir(), t.TempDir()
	target, link := filepath.Join(archive, "cert1.pem"), filepath.Join(live, "cert.pem")
	write(t, target, "a")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	changes := watched(t, time.Hour, link)
	write(t, target, "b")
	next(t, changes, link)
}

// Without any event, as on some network file systems, comparing finds the change.
func TestWatcherFindsChangesWithoutEvents(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "warder.yaml")
	write(t, config, "a")
	changes := make(chan []string, 1)
	w := NewWatcher(func() []string { return []string{config} }, func(f []string) { changes <- f }, nil)
	write(t, config, "b")
	w.compare() // what the poll calls; nothing is watched
	next(t, changes, config)
	w.compare()
	if len(changes) != 0 {
		t.Error("reported twice")
	}
}

// What changes between loading a file and watching it is not lost.
func TestWatcherKnowsFilesFromTheStart(t *testing.T) {
	config := filepath.Join(t.TempDir(), "warder.yaml")
	write(t, config, "a")
	ctx, cancel := context.WithCancel(t.Context())
	w := NewWatcher(func() []string { return []string{config} }, func([]string) { cancel() }, nil)
	write(t, config, "b")
	w.Run(ctx) // ends when the change is told
}

func TestFilesOfAConfiguration(t *testing.T) {
	c := Default()
	c.Path, c.Admin.TokenFile = "w.yaml", "token"
	c.Upstream.TLS = &ClientTLS{CA: "ca", Cert: "c", Key: "k"}
	c.Upstream.Lookup = &Lookup{PasswordFile: "pw"}
	c.Upstream.SchemaRegistry = &SchemaRegistry{PasswordFile: "rpw"}
	c.Listeners[0].TLS = &ServerTLS{Cert: "c", Key: "k", ClientCA: "cca"}
	if got, want := c.Files(), []string{"w.yaml", "token", "ca", "c", "k", "pw", "rpw", "cca"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
