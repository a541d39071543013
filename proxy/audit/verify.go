package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// Report is what Verify found.
type Report struct {
	Whole bool    `json:"whole"`            // every line follows the one before it
	Break *Broken `json:"broken,omitempty"` // the first place where that is not so

	Lines  uint64 `json:"lines"`     // that were read, up to there
	First  uint64 `json:"first_seq"` // the number of the first of them; 1 where the chain begins
	Last   uint64 `json:"last_seq"`  // of the last
	Head   string `json:"head"`      // hash of the last
	Keyed  bool   `json:"keyed"`     // hashes are made with a key
	Runs   int    `json:"runs"`      // beginnings of warder
	Killed int    `json:"killed"`    // of them, those after a run that did not end its trail
	Lost   uint64 `json:"lost"`      // lines that the trail says are missing
	Torn   int    `json:"torn"`      // lines that were cut off, as the trail says
	Twice  uint64 `json:"repeated"`  // lines that stand there once more, as Kafka may store them
}

// Broken is where a trail is not as it was written.
type Broken struct {
	File string `json:"file"`
	Line int    `json:"line"` // from 1
	What string `json:"what"`
}

// maxRemembered bounds the hashes that are kept to tell a line that was stored twice from one that was moved.
const maxRemembered = 4 * maxBatch

// Verify reads a trail from files, the oldest first. With head, a hash, it must
// contain the line of that hash: without it nobody can tell that lines are missing
// at the end. An error says that a file could not be read.
func Verify(files []string, key []byte, head string) (*Report, error) {
	v := &verifier{key: key, wanted: head, hashes: map[uint64]string{}}
	for i, name := range files {
		if err := v.read(name); err != nil {
			return nil, err
		}
		if v.Break != nil {
			return &v.Report, v.moved(files[i:])
		}
	}
	v.finish()
	v.Whole = v.Break == nil
	return &v.Report, nil
}

// verifier follows a chain.
type verifier struct {
	Report
	key     []byte
	wanted  string
	found   bool              // wanted
	hashes  map[uint64]string // of the last lines
	running bool              // a run has begun and not ended
	missing uint64            // the first line that is not where it should be

	file string
	line int
	torn *remains // what stands before the next line and is none
}

// remains is the rest of a line that was cut off.
type remains struct {
	Broken
	bytes int64
	hash  string
}

// read reads one file, up to where it is broken.
func (v *verifier) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	v.file, v.line = name, 0
	r := bufio.NewReaderSize(f, 64<<10)
	for v.Break == nil {
		line, whole, err := readLine(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		v.line++
		switch {
		case errors.Is(err, errTooLong):
			v.broken("this %v", err)
		case err != nil:
			return err
		case !whole:
			v.cutOff(line)
		default:
			v.next(line)
		}
	}
	return nil
}

// readLine reads up to a line feed, which it removes; whole is false when the file ends without.
func readLine(r *bufio.Reader) (line []byte, whole bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, false, errTooLong
		case err == nil:
			return line[:len(line)-1], true, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, false, nil
		default:
			return nil, false, err
		}
	}
}

func (v *verifier) broken(format string, args ...any) {
	v.Break = &Broken{v.file, v.line, fmt.Sprintf(format, args...)}
}

// cutOff takes bytes that are no line. The line behind them may account for them.
func (v *verifier) cutOff(p []byte) {
	if v.torn != nil {
		v.broken("nothing explains these %d bytes, which are no line of a trail", len(p))
		return
	}
	h := sha256.Sum256(p)
	v.torn = &remains{Broken{File: v.file, Line: v.line}, int64(len(p)), hex.EncodeToString(h[:])}
}

// next takes a line.
func (v *verifier) next(p []byte) {
	l, hashed, err := parse(p)
	if err != nil {
		v.cutOff(p)
		return
	}
	if l.Keyed && len(v.key) == 0 {
		v.broken("from here on hashes are made with a key: give it with --key")
		return
	}
	if v.torn != nil {
		if l.Event != Torn || l.Torn != v.torn.bytes || l.TornHash != v.torn.hash {
			v.Break = &v.torn.Broken
			v.Break.What = "this is no line of a trail: it was changed or cut off, and the next one does not account for that"
			return
		}
		v.torn = nil
	} else if l.Event == Torn && v.Lines > 0 {
		v.broken("%d bytes of a line that was cut off should stand before this one, and do not", l.Torn)
		return
	}
	if sum(v.key, hashed) != l.Hash {
		v.broken("line %d of the chain was changed: its bytes do not have the hash that stands in it%s", l.Seq, v.orKey())
		return
	}
	if v.follows(&l) {
		v.took(&l)
	}
}

// orKey names the other reason for which no hash of a chain is right.
func (v *verifier) orKey() string {
	if v.Lines == 0 && len(v.key) > 0 {
		return ", or the key is another"
	}
	return ""
}

// follows checks the place of a line in the chain; false for one that is not to be
// taken.
func (v *verifier) follows(l *links) bool {
	begins := l.Prev == origin.Hash
	switch {
	case begins != (l.Seq == origin.Seq+1):
		v.broken("line %d of the chain says that it follows %s, which cannot be", l.Seq, l.Prev)
	case v.Lines == 0:
		v.First = l.Seq
		return true
	case l.Seq <= v.Last && v.hashes[l.Seq] == l.Hash:
		v.Twice++
	case l.Seq > v.Last+1:
		v.missing = v.Last + 1
		v.broken("%s missing before line %d of the chain: %s", count(l.Seq-v.missing, "line is", "lines are"), l.Seq, numbers(v.missing, l.Seq-1))
	case l.Seq <= v.Last:
		v.broken("line %d of the chain stands behind line %d: it was moved, or another chain begins", l.Seq, v.Last)
	case l.Prev != v.Head:
		v.broken("line %d of the chain does not follow the line before it: that one was changed or replaced", l.Seq)
	default:
		return true
	}
	return false
}

func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func numbers(from, to uint64) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d to %d", from, to)
}

// took adds a line to the report.
func (v *verifier) took(l *links) {
	v.Lines++
	v.Last, v.Head = l.Seq, l.Hash
	v.hashes[l.Seq] = l.Hash
	delete(v.hashes, l.Seq-maxRemembered)
	v.found = v.found || l.Hash == v.wanted
	v.Lost += l.Lost
	switch l.Event {
	case Begun:
		v.Runs++
		if v.running {
			v.Killed++
		}
		v.running, v.Keyed = true, v.Keyed || l.Keyed
	case Ended:
		v.running = false
	case Torn:
		v.Torn++
	default:
		v.running = true // also where an older file is not here
	}
}

// finish looks at what can only be told at the end.
func (v *verifier) finish() {
	switch {
	case v.torn != nil:
		v.Break = &v.torn.Broken
		v.Break.What = fmt.Sprintf("the trail ends inside a line, of which there are %d bytes", v.torn.bytes)
	case v.Lines == 0:
		v.broken("there is no line")
	case v.wanted != "" && !v.found:
		v.broken("no line has the hash %s: lines are missing at the end, or the trail was written anew", v.wanted)
	}
}

// moved looks behind a gap for the line that is missing: then nothing is, but lines
// stand in another order.
func (v *verifier) moved(files []string) error {
	if v.missing == 0 {
		return nil
	}
	for i, name := range files {
		at, err := findLine(name, v.missing)
		if err != nil {
			return err
		}
		if at > 0 && (i > 0 || at > v.Break.Line) {
			v.Break.What = fmt.Sprintf("lines are in another order: line %d of the chain should stand here, and stands at %s:%d", v.missing, name, at)
			return nil
		}
	}
	return nil
}

// findLine gives the place of a line of the chain in a file, 0 if it is not there.
func findLine(name string, seq uint64) (at int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, _, err := readLine(r)
		if errors.Is(err, io.EOF) || errors.Is(err, errTooLong) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if l, _, err := parse(line); err == nil && l.Seq == seq {
			return n, nil
		}
	}
}
