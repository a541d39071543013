package proxy

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"warder/configs"
	"warder/test/fulldisk"
)

// A state file that a full disk has no room for leaves the one before, whole, and nothing
// beside it; with room it is written.
func TestFullDiskLeavesTheStateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	r := newRig(t, func(c *configs.Config) { c.StateFile = configs.Path(path) })
	remember := func(node int32) error {
		r.topology.learn(node, "127.0.0.1", 1, time.Now())
		r.listeners[0].advertised(node)
		return r.save()
	}
	ports := func() map[int32]uint16 {
		t.Helper()
		all, err := RememberedPorts(&configs.Config{StateFile: configs.Path(path)})
		if err != nil {
			t.Fatal(err)
		}
		return all["default"]
	}
	if err := remember(1); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	makeRoom := fulldisk.Beyond(t, info.Size())
	if err := remember(2); err == nil {
		t.Error("no error with a full disk")
	}
	if got := ports(); len(got) != 1 || got[1] == 0 {
		t.Errorf("%v are remembered", got)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%v left behind", left)
	}
	makeRoom()
	if err := remember(3); err != nil {
		t.Fatal(err)
	}
	if got := ports(); len(got) != 3 {
		t.Errorf("%v are remembered", got)
	}
}
