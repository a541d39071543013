package main

import (
	"fmt"
	"os"
	"os/exec"
)

// profile takes a CPU profile of warder while it has a load.
func (b *bench) profile(l *workload, r *running) error {
	load, err := begin(b.ctx, r, l.connections, l.traffic)
	if err != nil {
		return err
	}
	text, err := b.get(r, "/debug/pprof/profile?seconds=2")
	if _, failed := load.end(); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	file := b.file(fmt.Sprintf("%d.pprof", len(b.profiles)))
	b.profiles = append(b.profiles, file)
	return os.WriteFile(file, []byte(text), 0o600)
}

// mergeProfiles makes one of them, in which all loads have the same weight.
func (b *bench) mergeProfiles() error {
	merge := exec.CommandContext(b.ctx, "go", append([]string{"tool", "pprof", "-proto", "-output", b.pgo}, b.profiles...)...)
	if out, err := merge.CombinedOutput(); err != nil {
		return fmt.Errorf("go tool pprof: %w\n%s", err, out)
	}
	report("the profile is in %s", b.pgo)
	return nil
}
