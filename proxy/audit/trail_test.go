package audit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"warder/configs"
	"warder/protocol"
	"warder/proxy/audit"
	"warder/test/fulldisk"
)

var errBroken = errors.New("the disk is gone")

// fickle is a sink that fails, or hangs, when the test wants it.
type fickle struct {
	mu      sync.Mutex
	broken  bool          // guarded by mu
	partly  int           // guarded by mu: lines that are written before it fails
	hanging chan struct{} // guarded by mu: what Write waits for; nil: nothing
	lines   []string      // guarded by mu
	syncs   int           // guarded by mu
}

func (f *fickle) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fickle) Open(context.Context) (audit.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return audit.Found{}, errBroken
	}
	return audit.Found{}, nil
}

func (f *fickle) Write(ctx context.Context, lines [][]byte) (int, bool, error) {
	f.mu.Lock()
	hanging := f.hanging
	f.mu.Unlock()
	if hanging != nil {
		select {
		case <-hanging:
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if f.broken {
		lines, err = lines[:min(f.partly, len(lines))], errBroken
	}
	for _, line := range lines {
		f.lines = append(f.lines, string(line))
	}
	return len(lines), false, err
}

func (f *fickle) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncs++
	if f.broken {
		return errBroken
	}
	return nil
}

func (f *fickle) Close() error { return nil }

// report verifies what the sink has got.
func (f *fickle) report(t *testing.T) *audit.Report {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	file := filepath.Join(t.TempDir(), "lines")
	write(t, file, strings.Join(f.lines, "\n")+"\n")
	r := verify(t, nil, "", file)
	if !r.Whole {
		t.Errorf("%+v", r.Break)
	}
	return r
}

// serving waits until the trail has begun.
func serving(t *testing.T, trail *audit.Trail) {
	t.Helper()
	eventually(t, "the trail to begin", func() bool {
		failing, _ := trail.Check()
		return failing == nil
	})
}

func TestWhatIsWrittenIsMadeToLast(t *testing.T) {
	f := &fickle{}
	trail, m := begin(f, config(), nil)
	give(t, trail, deletion("users"))
	eventually(t, "a sync", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.syncs > 0 && len(f.lines) == 2
	})
	finish(t, trail)
	if r := f.report(t); r.Lines != 3 || m.seq.Load() != 3 {
		t.Errorf("%+v, %d", r, m.seq.Load())
	}
}

// With on_failure: drop everybody is served, as much as there is room for is written
// when the sink works again, and the trail says how much is missing.
func TestDropGoesOnAndCounts(t *testing.T) {
	f := &fickle{broken: true}
	trail, m := begin(f, config(), nil)
	eventually(t, "the failure", m.failing.Load)
	const sent = 10_000
	for range sent {
		if !give(t, trail, deletion("users")) {
			t.Fatal("not taken")
		}
	}
	if err, stops := trail.Check(); !errors.Is(err, errBroken) || stops {
		t.Errorf("%v %v", err, stops)
	}
	dropped := m.dropped.Load()
	if dropped < 1000 || dropped > 3000 {
		t.Errorf("%d of %d dropped", dropped, sent)
	}
	f.set(func() { f.broken = false })
	eventually(t, "the sink to work", func() bool { return !m.failing.Load() })
	give(t, trail, deletion("later"))
	finish(t, trail)
	if r := f.report(t); r.Lost != uint64(dropped) || r.Lines != uint64(sent-dropped)+4 { // begun, lost, later, ended
		t.Errorf("%+v, %d dropped", r, dropped)
	}
	for i, line := range f.lines { // where they are missing
		if strings.Contains(line, `"event":"lost"`) && i != len(f.lines)-3 {
			t.Errorf("line %d of %d: %s", i, len(f.lines), line)
		}
	}
}

// With on_failure: stop nothing of the chosen APIs is served meanwhile, and what was
// let through before is written.
func TestStopTurnsAwayUntilTheSinkWorks(t *testing.T) {
	f := &fickle{}
	f.broken = true
	trail, m := begin(f, config(stops), nil)
	if _, err := trail.Take(protocol.DeleteTopics); !errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("before the first line: %v", err)
	}
	f.set(func() { f.broken = false })
	serving(t, trail)
	open := 0 // exchanges that are under way when the sink fails
	for range 3 {
		if oneOf, err := trail.Take(protocol.DeleteTopics); oneOf == 1 && err == nil {
			open++
		}
	}
	eventually(t, "the beginning", func() bool { return m.written.Load() == 1 })
	f.set(func() { f.broken, f.partly = true, 1 })
	give(t, trail, deletion("first"))
	eventually(t, "the failure", m.failing.Load)
	if _, err := trail.Take(protocol.DeleteTopics); !errors.Is(err, audit.ErrUnavailable) || !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
	if oneOf, err := trail.Take(protocol.Metadata); oneOf != 0 || err != nil {
		t.Errorf("an API that is not chosen: %d, %v", oneOf, err)
	}
	if err, stops := trail.Check(); err == nil || !stops {
		t.Errorf("%v %v", err, stops)
	}
	for range open {
		trail.Exchange(deletion("under way"), 1)
	}
	f.set(func() { f.broken = false })
	eventually(t, "requests to be served", func() bool {
		oneOf, err := trail.Take(protocol.DeleteTopics)
		if err == nil && oneOf == 1 {
			trail.Exchange(deletion("later"), 1)
		}
		return err == nil
	})
	finish(t, trail)
	if r := f.report(t); open != 3 || r.Lost != 0 || r.Lines != 7 || m.dropped.Load() != 0 {
		t.Errorf("%+v", r)
	}
}

// What was let through always finds room, and no more is let through than that.
func TestStopLetsNoMoreThroughThanThereIsRoomFor(t *testing.T) {
	f := &fickle{}
	trail, m := begin(f, config(stops), nil)
	serving(t, trail)
	f.set(func() { f.hanging = make(chan struct{}) })
	taken := 0
	for range 20_000 {
		oneOf, err := trail.Take(protocol.DeleteTopics)
		if errors.Is(err, audit.ErrUnavailable) {
			break
		}
		taken += oneOf
	}
	if taken < 5000 || taken > 8000 {
		t.Errorf("%d let through", taken)
	}
	for range 20_000 { // connections that end meanwhile are no reason to forget an exchange
		trail.Event(audit.Closed, &audit.Event{Time: noon, Reason: "client_gone"})
	}
	for range taken {
		trail.Exchange(deletion("users"), 1)
	}
	f.set(func() { close(f.hanging); f.hanging = nil })
	finish(t, trail)
	r := f.report(t)
	if dropped := m.dropped.Load(); dropped == 0 || r.Lost != uint64(dropped) {
		t.Errorf("%+v, %d dropped", r, dropped)
	}
	n := 0
	for _, line := range f.lines {
		if strings.Contains(line, `"event":"exchange"`) {
			n++
		}
	}
	if n != taken {
		t.Errorf("%d of %d exchanges are in the trail", n, taken)
	}
}

func TestCloseDoesNotWaitForASinkThatHangs(t *testing.T) {
	f := &fickle{hanging: make(chan struct{})}
	trail, _ := begin(f, config(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := trail.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	finish(t, trail) // which has been interrupted
}

// /dev/full is a disk without room.
func TestDiskWithoutRoom(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	trail, m := begin(audit.NewFile(&configs.AuditFile{Path: "/dev/full", MaxSize: configs.MiB, Keep: 1}), config(stops), nil)
	eventually(t, "the failure", m.failing.Load)
	if _, err := trail.Take(protocol.DeleteTopics); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	finish(t, trail)
}

// A limit on the size of files breaks a write in the middle of a line. What is left of
// the line is taken back, and with room the trail goes on.
func TestHalfALineIsTakenBack(t *testing.T) {
	dir := t.TempDir()
	trail, m := begin(fileSink(dir), config(), nil)
	eventually(t, "the beginning", func() bool { return m.written.Load() == 1 })
	makeRoom := fulldisk.Beyond(t, 1500)
	for range 10 {
		give(t, trail, deletion("users"))
	}
	eventually(t, "the failure", m.failing.Load)
	file := filepath.Join(dir, "audit.jsonl")
	data, err := os.ReadFile(file)
	if err != nil || len(data) == 0 || data[len(data)-1] != '\n' || !verify(t, nil, "", file).Whole {
		t.Errorf("%v %q", err, data)
	}
	makeRoom()
	eventually(t, "the sink to work", func() bool { return !m.failing.Load() })
	finish(t, trail)
	if r := verify(t, nil, "", file); !r.Whole || r.Lines != 12 || r.Torn != 0 {
		t.Errorf("%+v %+v", r, r.Break)
	}
}

// A directory that goes away, and comes back without the file: the chain goes on in the new one.
func TestFileThatIsTakenAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trail")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	sink := audit.NewFile(&configs.AuditFile{Path: configs.Path(filepath.Join(dir, "audit.jsonl")), MaxSize: 64 * configs.KiB, Keep: 2})
	trail, m := begin(sink, config(), nil)
	eventually(t, "the beginning", func() bool { return m.written.Load() == 1 })
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "a file where the directory was")
	for range 300 { // more than the file may hold: a new one is due
		give(t, trail, deletion("users"))
	}
	eventually(t, "the failure", m.failing.Load)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sink to work", func() bool { return !m.failing.Load() })
	finish(t, trail)
	files := []string{filepath.Join(away, "audit.jsonl"), filepath.Join(dir, "audit.jsonl")}
	if _, err := os.Stat(files[1] + ".1"); err == nil {
		files = []string{files[0], files[1] + ".1", files[1]}
	}
	if r := verify(t, nil, "", files...); !r.Whole || r.Lines != 302 || m.dropped.Load() != 0 {
		t.Errorf("%+v %+v", r, r.Break)
	}
}

// drained lets the trail write what waits, off the clock.
func drained(b *testing.B, m *meter, lines int) {
	b.Helper()
	b.StopTimer()
	for m.written.Load()+m.dropped.Load() < int64(lines) {
		runtime.Gosched()
	}
	b.StartTimer()
}

// What a session pays: asking, and handing over.
func BenchmarkExchange(b *testing.B) {
	trail, m := begin(&fickle{}, config(), nil)
	x, n := deletion("users"), 1
	b.ReportAllocs()
	for b.Loop() {
		oneOf, _ := trail.Take(x.Key)
		trail.Exchange(x, oneOf)
		if n++; n%4096 == 0 {
			drained(b, m, n)
		}
	}
	benchmarked(b, trail, m)
}

// What a line costs the goroutine that writes: making, hashing and writing it.
func BenchmarkLine(b *testing.B) {
	sink := audit.NewFile(&configs.AuditFile{Path: configs.Path(filepath.Join(b.TempDir(), "audit.jsonl")), MaxSize: configs.GiB, Keep: 1})
	trail, m := begin(sink, config(), nil)
	x, n := deletion("users"), 1
	for b.Loop() {
		trail.Exchange(x, 1)
		if n++; n%4096 == 0 {
			for m.written.Load() < int64(n) {
				runtime.Gosched()
			}
		}
	}
	benchmarked(b, trail, m)
}

func benchmarked(b *testing.B, trail *audit.Trail, m *meter) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := trail.Close(ctx); err != nil || m.dropped.Load() > 0 {
		b.Errorf("%v, %d dropped", err, m.dropped.Load())
	}
}
