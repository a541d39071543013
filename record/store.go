package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	filePrefix = "warder-"
	// maxSegment bounds a segment, in bytes; of a small recording it is a sixteenth.
	maxSegment     = 64 << 20
	segmentsOfSize = 16
)

// errNoRoom is for recordings whose record.max_size does not hold one segment.
var errNoRoom = errors.New("record.max_size has no room for a segment")

// store is the directory of segments. It keeps all that is in it below a size,
// segments of earlier runs included, by deleting the oldest. After an error no segment
// is open.
type store struct {
	dir   string
	max   int64
	begun time.Time // of this run

	segment int // number of the last one
	file    *os.File
	size    int64   // of the open segment
	others  []other // the segments besides it, oldest first
	total   int64   // bytes of all of them
}

type other struct {
	path string
	size int64
}

// full says that another n bytes belong into the next segment.
func (s *store) full(n int) bool {
	return s.size+int64(n) > min(s.max/segmentsOfSize, maxSegment)
}

func (s *store) open() bool { return s.file != nil }

// begin begins a segment with its header and what is known already.
func (s *store) begin(h Header, snapshot [][]byte) error {
	if err := s.finish(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := s.look(); err != nil {
		return err
	}
	s.segment++
	h.Segment = s.segment
	start, err := h.append(nil)
	if err != nil {
		return err
	}
	for _, block := range snapshot {
		start = append(start, block...)
	}
	if err := s.makeRoom(len(start)); err != nil {
		return err
	}
	name := fmt.Sprintf("%s%s-%s-%06d%s", filePrefix, s.begun.UTC().Format("20060102T150405Z"), strings.ToLower(h.Run[:4]), s.segment, extension)
	if s.file, err = os.OpenFile(filepath.Join(s.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		s.file = nil
		return err
	}
	s.size = 0
	return s.append(start)
}

// look finds the segments that are there.
func (s *store) look() error {
	entries, err := os.ReadDir(s.dir) // by name, hence by time
	if err != nil {
		return err
	}
	s.others, s.total = s.others[:0], 0
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filePrefix) || filepath.Ext(e.Name()) != extension || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s.others = append(s.others, other{filepath.Join(s.dir, e.Name()), info.Size()})
		s.total += info.Size()
	}
	return nil
}

// write appends a block to the open segment.
func (s *store) write(block []byte) error {
	if err := s.makeRoom(len(block)); err != nil {
		return errors.Join(err, s.finish())
	}
	return s.append(block)
}

func (s *store) append(p []byte) error {
	n, err := s.file.Write(p)
	s.size += int64(n)
	s.total += int64(n)
	if err != nil {
		return errors.Join(err, s.finish())
	}
	return nil
}

// makeRoom deletes the oldest segments, so that n more bytes fit.
func (s *store) makeRoom(n int) error {
	for s.total+int64(n) > s.max {
		if len(s.others) == 0 {
			return errNoRoom
		}
		oldest := s.others[0]
		if err := os.Remove(oldest.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.others = s.others[1:]
		s.total -= oldest.size
	}
	return nil
}

// finish ends the open segment, if there is one.
func (s *store) finish() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	s.others = append(s.others, other{f.Name(), s.size})
	s.size = 0
	return f.Close()
}
