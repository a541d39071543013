package record

import (
	"bufio"
	"errors"
	"io"
	"os"
)

// segmentReader gives the entries of one file.
type segmentReader struct {
	path   string
	header Header

	file    *os.File
	in      *bufio.Reader
	size    int64
	read    int64 // bytes of the file that were understood
	content []byte
	blocks  *unpacker
	what    byte // the block at hand
}

// openSegment opens a file and reads its first line.
func openSegment(path string, blocks *unpacker) (*segmentReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &segmentReader{path: path, file: f, in: bufio.NewReaderSize(f, maxHeaderLine), blocks: blocks}
	if err := s.begin(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (s *segmentReader) begin() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	s.size = info.Size()
	line, err := s.in.Peek(maxHeaderLine)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var n int
	if s.header, n, err = readHeader(s.path, line); err != nil {
		return err
	}
	s.read = int64(n)
	_, err = s.in.Discard(n)
	return err
}

// next fills e with the next entry. io.EOF is the end of the file; left says what
// of it could not be read, if anything.
func (s *segmentReader) next(e *Entry) (at place, left *Left, err error) {
	for {
		at, ok, err := s.blocks.next(e)
		if err != nil {
			return at, s.leave(err.Error()), io.EOF
		}
		if ok {
			return at, nil, nil
		}
		if left, err = s.nextBlock(); err != nil {
			return place{}, left, err
		}
	}
}

// nextBlock reads the next block.
func (s *segmentReader) nextBlock() (*Left, error) {
	what, content, torn, err := readBlock(s.in, s.content)
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, err
	case torn != "":
		return s.leave(torn), io.EOF
	}
	s.what, s.content = what, content[:0]
	if err := s.blocks.open(content); err != nil {
		return s.leave("a block cannot be read: " + err.Error()), io.EOF
	}
	s.read += int64(blockHead + len(content))
	return nil, nil //nolint:nilnil // nothing is left out
}

// leave says that the rest of the file is left out.
func (s *segmentReader) leave(reason string) *Left {
	return &Left{File: s.path, Offset: s.read, Bytes: max(s.size-s.read, 0), Reason: reason}
}

func (s *segmentReader) close() error { return s.file.Close() }
