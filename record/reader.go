package record

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Left is a part of a recording that could not be read.
type Left struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	Reason string `json:"reason"`
}

// Reader gives what recordings hold. It is a Source: entries come in the order of
// their times, and where segments do not follow upon each other, which is where
// nothing was written for a while, connections that go on have Lost in between. It is
// not safe for concurrent use.
type Reader struct {
	runs    []*runReader // all, by when they begin
	begun   int          // how many of them were begun
	headers []Header
	torn    []Left     // files without a whole first line
	last    *runReader // gave the last entry, which is read over at the next call
	next    uint64     // number of the connection that was opened last
	err     error
}

// maxSegments bounds the files of one Reader.
const maxSegments = 100_000

// Open opens recordings: files, and all recordings in directories. What is no
// recording is an error, and so is nothing at all.
func Open(paths ...string) (*Reader, error) {
	files, err := segmentFiles(paths)
	if err != nil {
		return nil, err
	}
	r := &Reader{}
	byRun := map[string]*runReader{}
	blocks := newUnpacker()
	defer blocks.close()
	for _, path := range files {
		s, err := openSegment(path, blocks)
		if torn, ok := errors.AsType[*FormatError](err); ok && torn.Torn {
			r.torn = append(r.torn, Left{File: path, Reason: torn.Reason})
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := s.close(); err != nil {
			return nil, err
		}
		run := byRun[s.header.Run]
		if run == nil {
			run = newRunReader(&r.next)
			byRun[s.header.Run] = run
			r.runs = append(r.runs, run)
		}
		run.files = append(run.files, segmentFile{path, s.header})
		r.headers = append(r.headers, s.header)
	}
	for _, run := range r.runs {
		slices.SortStableFunc(run.files, func(a, b segmentFile) int { return cmp.Compare(a.header.Segment, b.header.Segment) })
	}
	slices.SortStableFunc(r.runs, func(a, b *runReader) int { return a.begins().Compare(b.begins()) })
	return r, nil
}

// segmentFiles lists what paths stand for.
func segmentFiles(paths []string) (files []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		found := len(files)
		for _, e := range entries {
			if filepath.Ext(e.Name()) == extension && e.Type().IsRegular() {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
		if len(files) == found {
			return nil, &FormatError{File: path, Reason: "there is no recording (*" + extension + ") in this directory"}
		}
	}
	slices.Sort(files)
	files = slices.Compact(files)
	if len(files) > maxSegments {
		return nil, fmt.Errorf("%d files of recordings; at most %d are read at a time", len(files), maxSegments)
	}
	return files, nil
}

// Headers are those of all segments.
func (r *Reader) Headers() []Header { return r.headers }

// Payload is the least that any of the segments keeps of keys and values.
func (r *Reader) Payload() string {
	order := []string{"none", "keys", "full"}
	least := len(order) - 1
	for _, h := range r.headers {
		least = min(least, slices.Index(order, h.Payload))
	}
	return order[least]
}

// Left is what could not be read so far.
func (r *Reader) Left() []Left {
	left := slices.Clone(r.torn)
	for _, run := range r.runs {
		left = append(left, run.left...)
	}
	return left
}

// Next implements Source.
func (r *Reader) Next() (*Entry, error) {
	if r.err == nil && r.last != nil {
		r.err = r.advance(r.last)
	}
	if r.err != nil {
		return nil, r.err
	}
	run, err := r.earliest()
	if err != nil {
		r.err = err
		return nil, err
	}
	r.last = run
	return run.head, nil
}

// earliest gives the run whose next entry is the oldest. One is begun only when its
// time has come, so that few files are open.
func (r *Reader) earliest() (*runReader, error) {
	for {
		var first *runReader
		for _, run := range r.runs[:r.begun] {
			if run.head != nil && (first == nil || run.head.At.Before(first.head.At)) {
				first = run
			}
		}
		if r.begun == len(r.runs) || first != nil && first.head.At.Before(r.runs[r.begun].begins()) {
			if first == nil {
				return nil, io.EOF
			}
			return first, nil
		}
		r.begun++
		if err := r.advance(r.runs[r.begun-1]); err != nil {
			return nil, err
		}
	}
}

// advance reads the next entry of a run; after its last one it has none.
func (r *Reader) advance(run *runReader) error {
	err := run.advance()
	if errors.Is(err, io.EOF) {
		run.head = nil
		return nil
	}
	return err
}

// Close closes what is open. What was read stays valid.
func (r *Reader) Close() (err error) {
	for _, run := range r.runs {
		err = errors.Join(err, run.close())
	}
	return err
}
