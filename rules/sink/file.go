package sink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"warder/configs"
	"warder/rules"
)

// File writes findings to a file, one JSON object per line. Each line is one
// write, so that a crash costs at most the last line. A file that would grow
// beyond its size is renamed to path.1, path.1 to path.2 and so on; what lies
// beyond Keep is deleted.
type File struct {
	path    string
	maxSize int64
	keep    int

	file *os.File // nil after an error: the next Write opens it again
	size int64
	torn bool // the file ends inside a line
}

// NewFile opens the file, to append to it, with mode 0600 if it is new.
func NewFile(c configs.FileSink) (*File, error) {
	s := &File{path: string(c.Path), maxSize: int64(c.MaxSize), keep: c.Keep}
	return s, s.open()
}

// Name is "file".
func (*File) Name() string { return "file" }

// Write appends one line, and rotates before it if need be.
func (s *File) Write(f *rules.Finding) error {
	line, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("finding %s: %w", f.ID, err)
	}
	line = append(line, '\n')
	if s.file != nil && s.size > 0 && s.size+int64(len(line)) > s.maxSize {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	if s.file == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := s.file.Write(line)
	s.size += int64(n)
	s.torn = err != nil && (n > 0 || s.torn)
	if err != nil {
		return errors.Join(err, s.shut())
	}
	return nil
}

// Close closes the file.
func (s *File) Close() error { return s.shut() }

func (s *File) shut() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}

// open opens the file for appending and looks how it ends.
func (s *File) open() error {
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.file, s.size, s.torn = f, info.Size(), false
	if last := make([]byte, 1); s.size > 0 {
		if _, err := f.ReadAt(last, s.size-1); err != nil && !errors.Is(err, io.EOF) {
			return errors.Join(err, s.shut())
		}
		s.torn = last[0] != '\n'
	}
	return nil
}

// rotate makes room for a new file.
func (s *File) rotate() error {
	if err := s.shut(); err != nil {
		return err
	}
	return Rotate(s.path, s.keep)
}

// Rotate renames a file to path.1, path.1 to path.2 and so on, the oldest first; what
// lies beyond keep is overwritten, and with 0 the file itself is removed. If it
// fails half way nothing is lost: the next attempt finds the same files.
func Rotate(path string, keep int) error {
	if keep == 0 {
		return os.Remove(path)
	}
	for i := keep - 1; i >= 0; i-- {
		if err := os.Rename(Rotated(path, i), Rotated(path, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Rotated is what the file is called that was rotated i times.
func Rotated(path string, i int) string {
	if i == 0 {
		return path
	}
	return path + "." + strconv.Itoa(i)
}
