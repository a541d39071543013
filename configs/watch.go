package configs

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is the quiet time after a file event before files are compared: editors
	// and Kubernetes write in several steps.
	settle = 200 * time.Millisecond
	// pollEvery is the net under lost events and file systems that have none.
	pollEvery = 30 * time.Second
	// maxWatched bounds what is read of one watched file; what follows is not compared.
	maxWatched = 16 << 20
)

// Watcher tells when the content of files changes. It watches their
// directories, not the files: Kubernetes replaces a mounted file by swapping a
// symlink beside it, after which a watch on the file itself hears nothing.
// Event types are ignored, since kernels differ; only content counts.
type Watcher struct {
	files   func() []string
	changed func(files []string)
	failed  func(error)

	settle, poll time.Duration // shorter in tests

	// owned by Run
	notify *fsnotify.Watcher // nil: polling only
	dirs   map[string]bool   // what notify watches
	seen   map[string][sha256.Size]byte
}

// NewWatcher makes a watcher that knows the files as they are now: every later
// change is reported, also one that comes before Run.
//
// files gives the files of interest and is asked again after every change.
// changed is called from Run with the names of files whose content differs from
// the last call, or that came or went; it may take its time. failed hears what
// keeps events from arriving, while the slow poll goes on; may be nil.
func NewWatcher(files func() []string, changed func(files []string), failed func(error)) *Watcher {
	if failed == nil {
		failed = func(error) {}
	}
	return &Watcher{
		files: files, changed: changed, failed: failed,
		settle: settle, poll: pollEvery,
		dirs: map[string]bool{}, seen: digests(files()),
	}
}

// Run watches until ctx ends, and leaves no goroutine behind.
func (w *Watcher) Run(ctx context.Context) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.failed(fmt.Errorf("watching files: %w", err))
		notify = &fsnotify.Watcher{} // its nil channels never deliver
	} else {
		w.notify = notify
		defer func() {
			if err := notify.Close(); err != nil {
				w.failed(err)
			}
		}()
	}
	w.follow()
	w.compare()

	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	quiet := time.NewTimer(w.settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-notify.Events:
			quiet.Reset(w.settle)
		case err := <-notify.Errors: // such as an overflow: events were lost
			w.failed(err)
			quiet.Reset(w.settle)
		case <-quiet.C:
			w.compare()
		case <-poll.C:
			w.compare()
		}
	}
}

// compare calls Changed if any file differs from what was last seen.
func (w *Watcher) compare() {
	now := digests(w.files())
	var changed []string
	for name, sum := range now {
		if old, ok := w.seen[name]; !ok || old != sum {
			changed = append(changed, name)
		}
	}
	w.seen = now
	if len(changed) > 0 {
		slices.Sort(changed)
		w.changed(changed)
		// The new configuration may name other files; those it has just read are not news.
		for name, sum := range digests(w.files()) {
			if _, ok := w.seen[name]; !ok {
				w.seen[name] = sum
			}
		}
	}
	w.follow()
}

// follow makes notify watch exactly the directories of the files, and those of
// the files that symlinks lead to.
func (w *Watcher) follow() {
	if w.notify == nil {
		return
	}
	wanted := map[string]bool{}
	for _, name := range w.files() {
		wanted[filepath.Dir(name)] = true
		if target, err := filepath.EvalSymlinks(name); err == nil {
			wanted[filepath.Dir(target)] = true
		}
	}
	for dir := range wanted {
		if !w.dirs[dir] {
			if err := w.notify.Add(dir); err != nil {
				w.failed(fmt.Errorf("watching %s: %w", dir, err))
				continue
			}
			w.dirs[dir] = true
		}
	}
	for dir := range maps.Clone(w.dirs) {
		if !wanted[dir] {
			delete(w.dirs, dir)
			_ = w.notify.Remove(dir) // gone already when the directory itself was removed
		}
	}
}

// digests hashes the files; one that cannot be read has the zero hash.
func digests(files []string) map[string][sha256.Size]byte {
	all := make(map[string][sha256.Size]byte, len(files))
	for _, name := range files {
		all[name] = digest(name)
	}
	return all
}

func digest(name string) (sum [sha256.Size]byte) {
	f, err := os.Open(name)
	if err != nil {
		return sum
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxWatched)); err != nil {
		return sum
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Files are the files whose content is part of the configuration: its own, and
// the certificates, keys and secrets that it names.
func (c *Config) Files() []string {
	paths := []Path{Path(c.Path), c.Admin.TokenFile}
	if t := c.Upstream.TLS; t != nil {
		paths = append(paths, t.CA, t.Cert, t.Key)
	}
	if l := c.Upstream.Lookup; l != nil {
		paths = append(paths, l.PasswordFile)
	}
	if r := c.Upstream.SchemaRegistry; r != nil {
		paths = append(paths, r.PasswordFile)
	}
	for _, l := range c.Listeners {
		if t := l.TLS; t != nil {
			paths = append(paths, t.Cert, t.Key, t.ClientCA)
		}
	}
	var files []string
	for _, p := range paths {
		if p != "" && !slices.Contains(files, string(p)) {
			files = append(files, string(p))
		}
	}
	return files
}
