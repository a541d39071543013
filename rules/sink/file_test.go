package sink_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warder/configs"
	"warder/rules"
	"warder/rules/sink"
	"warder/test/fulldisk"
)

func openFile(t *testing.T, path string, size, keep int) *sink.File {
	t.Helper()
	s, err := sink.NewFile(configs.FileSink{Path: configs.Path(path), MaxSize: configs.Size(size), Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// readIDs reads the findings of a file, in order.
func readIDs(t *testing.T, path string) (out []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var found rules.Finding
		if err := json.Unmarshal(lines.Bytes(), &found); err != nil {
			out = append(out, "torn")
			continue
		}
		out = append(out, found.ID)
	}
	return out
}

func write(t *testing.T, s sink.Sink, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := s.Write(finding(i, nil)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileIsAppendedToOverRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	for run := range 2 {
		s := openFile(t, path, 1<<20, 1)
		write(t, s, run*2, run*2+1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(readIDs(t, path)); got != "[id-0 id-1 id-2 id-3]" {
		t.Error(got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestFileRotatesBySizeAndKeepsSome(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	line, err := json.Marshal(finding(1, nil))
	if err != nil {
		t.Fatal(err)
	}
	s := openFile(t, path, 2*len(line)+2, 2) // two lines a file
	write(t, s, 1, 9)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{path: "[id-9]", path + ".1": "[id-7 id-8]", path + ".2": "[id-5 id-6]"} {
		if got := fmt.Sprint(readIDs(t, name)); got != want {
			t.Errorf("%s holds %s, want %s", filepath.Base(name), got, want)
		}
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 3 {
		t.Errorf("files %v", files)
	}
}

func TestFileThatKeepsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	s := openFile(t, path, 1, 0) // a line a file
	write(t, s, 1, 3)
	if got := fmt.Sprint(readIDs(t, path)); got != "[id-3]" {
		t.Error(got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCrashCostsOneLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	s := openFile(t, path, 1<<20, 1)
	write(t, s, 1, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)-20], 0o600); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	s = openFile(t, path, 1<<20, 1)
	write(t, s, 4, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(readIDs(t, path)); got != "[id-1 id-2 torn id-4 id-5]" {
		t.Error(got)
	}
}

func TestFileThatCannotBeWrittenComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "findings.jsonl")
	s := openFile(t, path, 1, 3) // rotates before every line
	write(t, s, 1, 1)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(finding(2, nil)); err == nil {
		t.Error("a folder that is gone is no error")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, s, 3, 3)
	if got := fmt.Sprint(readIDs(t, path)); got != "[id-3]" {
		t.Error(got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.NewFile(configs.FileSink{Path: configs.Path(filepath.Join(dir, "no", "such")), MaxSize: 1}); err == nil || !strings.Contains(err.Error(), "such") {
		t.Errorf("error %v", err)
	}
}

// A disk that fills up in the middle of a line costs that finding: each is told as failed,
// what was written before stays, and with room again the next begins a line of its own.
func TestFullDiskCostsWhatHasNoRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	s := openFile(t, path, 1<<20, 1)
	write(t, s, 1, 2)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	makeRoom := fulldisk.Beyond(t, info.Size()*7/4) // for a line and a half of another
	write(t, s, 3, 3)
	for i := range 3 {
		if err := s.Write(finding(4+i, nil)); err == nil {
			t.Error("no error with a full disk")
		}
	}
	makeRoom()
	write(t, s, 7, 8)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(readIDs(t, path)); got != "[id-1 id-2 id-3 torn id-7 id-8]" {
		t.Error(got)
	}
}
