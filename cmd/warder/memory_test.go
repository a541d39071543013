package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryLimitOfTheContainer(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64
	}{
		{"268435456\n", 256 << 20}, {"max\n", 0}, {"9223372036854771712\n", 0}, {"", 0}, {"-1", 0},
	} {
		file := filepath.Join(t.TempDir(), "memory.max")
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := cgroupMemory([]string{file + ".none", file}); got != tc.want {
			t.Errorf("%q: %d, want %d", tc.text, got, tc.want)
		}
	}
	if got := cgroupMemory([]string{"/nowhere"}); got != 0 {
		t.Errorf("without cgroups: %d", got)
	}
}
