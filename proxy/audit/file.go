package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"warder/configs"
	"warder/rules/sink"
)

// File writes a trail to a file that is rotated by size. Lines that are there are
// never changed. What a write that failed has left of a line is taken back; where
// that cannot be done, or warder was killed, it stays and the next line says so.
type File struct {
	path    string
	maxSize int64
	keep    int

	file *os.File // nil until Open, and after an error
	size int64
	torn bool // the file ends inside a line
}

// NewFile makes the sink. Open makes the file, with mode 0600, if it is not there.
func NewFile(c *configs.AuditFile) *File {
	return &File{path: string(c.Path), maxSize: int64(c.MaxSize), keep: c.Keep}
}

// Open opens the file and reads how it ends, or the one before it does while it is empty.
func (f *File) Open(context.Context) (Found, error) {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return Found{}, err
	}
	found, size, err := endOf(file)
	if err == nil && size == 0 {
		found, err = endOfFile(sink.Rotated(f.path, 1))
		found.Torn = 0 // nothing will be written behind it
	}
	if err != nil {
		return Found{}, errors.Join(err, file.Close())
	}
	f.file, f.size, f.torn = file, size, found.Torn > 0
	return found, nil
}

// endOfFile is endOf for a file that may not be there.
func endOfFile(path string) (Found, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Found{}, nil
	}
	if err != nil {
		return Found{}, err
	}
	defer file.Close()
	found, _, err := endOf(file)
	return found, err
}

// maxLine bounds a line, in bytes. An exchange within its own bounds stays below.
const maxLine = 4 << 20

// endOf reads the last line of a file, and what stands behind it.
func endOf(file *os.File) (found Found, size int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return found, 0, err
	}
	size = info.Size()
	tail := make([]byte, min(size, 2*maxLine))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return found, size, err
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	if rest := tail[end:]; len(rest) > 0 {
		h := sha256.Sum256(rest)
		found.Torn, found.TornHash = int64(len(rest)), hex.EncodeToString(h[:])
	}
	if end == 0 {
		if size > int64(len(tail)) || len(tail) > maxLine {
			return found, size, fmt.Errorf("%s ends with something that %w", file.Name(), errTooLong)
		}
		return found, size, nil
	}
	last := tail[bytes.LastIndexByte(tail[:end-1], '\n')+1 : end-1]
	l, _, err := parse(last)
	if err != nil {
		return found, size, fmt.Errorf("the last line of %s: %w; move the file away, and a new trail begins", file.Name(), err)
	}
	found.Head = Head{Seq: l.Seq, Hash: l.Hash}
	return found, size, nil
}

var errTooLong = errors.New("is longer than any line of a trail")

// Write appends lines up to the size at which a new file is due.
func (f *File) Write(_ context.Context, lines [][]byte) (n int, fresh bool, err error) {
	if f.size > 0 && f.size+int64(len(lines[0])) > f.maxSize {
		if err := f.rotate(); err != nil {
			return 0, false, err
		}
		fresh = true
	}
	var buf []byte
	if f.torn {
		buf = append(buf, '\n')
	}
	ends := make([]int, 0, len(lines))
	for _, line := range lines {
		if len(ends) > 0 && f.size+int64(len(buf)+len(line)) > f.maxSize {
			break
		}
		buf = append(append(buf, line...), '\n')
		ends = append(ends, len(buf))
	}
	written, err := f.file.Write(buf)
	for n < len(ends) && ends[n] <= written {
		n++
	}
	if err != nil {
		return n, fresh, errors.Join(err, f.takeBack(n, ends, written))
	}
	f.size, f.torn = f.size+int64(written), false
	return n, fresh, nil
}

// takeBack removes what a write that failed has left behind its last whole line.
func (f *File) takeBack(n int, ends []int, written int) error {
	whole := 0
	if n > 0 {
		whole = ends[n-1]
	}
	var err error
	if written > whole {
		err = f.file.Truncate(f.size + int64(whole))
	}
	return errors.Join(err, f.Close())
}

// rotate begins a new file. What is in the old one is made to last first.
func (f *File) rotate() error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := sink.Rotate(f.path, f.keep); err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	f.file, f.size, f.torn = file, 0, false
	return nil
}

// Sync is fsync.
func (f *File) Sync() error {
	if f.file == nil {
		return nil
	}
	return f.file.Sync()
}

// Close closes the file.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
