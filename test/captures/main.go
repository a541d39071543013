// Command captures turns a recording (mode all, payload full) into scripts for the
// fuzzers of package proxy: go run ./test/captures RECORDING proxy/testdata/captures.
// It is run by hand, when there is something new to capture; see
// proxy/testdata/captures/README.md.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"warder/record"
)

// maxScript bounds a script: larger ones are of little use to a fuzzer.
const maxScript = 24 << 10

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: captures RECORDING FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run writes the first bytes of each connection into a script of its own, which is
// named after the client.
func run(recording, folder string) error {
	r, err := record.Open(recording)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was only read
	scripts := map[uint64][]byte{}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if what := e.Kind - record.Request; what <= 1 { // Request, Answer
			if s := scripts[e.Conn]; len(s)+len(e.Data) < maxScript {
				s = append(s, byte(what))
				s = binary.BigEndian.AppendUint16(s, uint16(len(e.Data)))
				scripts[e.Conn] = append(s, e.Data...)
			}
		}
	}
	for _, conn := range slices.Sorted(maps.Keys(scripts)) {
		name := filepath.Join(folder, fmt.Sprintf("%03d.script", conn))
		if err := os.WriteFile(name, scripts[conn], 0o644); err != nil {
			return err
		}
	}
	return nil
}
