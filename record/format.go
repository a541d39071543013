package record

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// A recording is a row of segments, files of their own that can each be read alone:
//
//	warder recording 1 {"warder":"1.4.0","payload":"none",…}\n
//	block block block …
//
// A block is the length of its content (4 bytes), the CRC-32C of what follows (4), what
// it is (1), and the content, compressed by zstd. So whoever comes upon the end of a
// file that a crash has torn knows the last block that is whole. The first blocks of a
// segment are snapshots: what there is to know of what happened before.

const (
	magicWords    = "warder recording "
	formatVersion = 1
	// extension of the files.
	extension = ".wrec"

	// maxHeaderLine bounds the first line, in bytes.
	maxHeaderLine = 4 << 10
	blockHead     = 4 + 4 + 1
	// blockSize is how many bytes of entries make a block full, before compression.
	blockSize = 256 << 10
	// maxEntry bounds an entry in a file: longer data goes into several, a longer
	// finding is left out.
	maxEntry = 64 << 10
	// maxRaw bounds the content of a block, decompressed. A snapshot is cut likewise.
	maxRaw = blockSize + maxEntry + 64
	// maxBlock bounds the content of a block; zstd makes nothing much larger than it was.
	maxBlock = maxRaw + maxRaw/8
)

// What a block is.
const (
	snapshotBlock byte = 's'
	entriesBlock  byte = 'e'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is the first line of a segment.
type Header struct {
	// Version of the warder that wrote it.
	Version string `json:"warder"`
	// Payload says what is kept of keys and values: none, keys or full.
	Payload string `json:"payload"`
	// Cluster is the name of the upstream.
	Cluster string `json:"cluster,omitempty"`
	// Run tells one start of warder from another, at random.
	Run string `json:"run"`
	// Began is when that warder began to record, and to look at what passes.
	Began time.Time `json:"began"`
	// Segment counts the segments of a run from 1.
	Segment int `json:"segment"`
	// Begins is the time of its first entry.
	Begins time.Time `json:"begins"`
	// Continues says that nothing happened, or was left out, since the end of the
	// segment before.
	Continues bool `json:"continues,omitempty"`
}

// FormatError is why a file is no recording, or none that can be read.
type FormatError struct {
	File   string
	Reason string
	// Torn says that the file ends within its first line, as a crash may leave it.
	Torn bool
}

func (e *FormatError) Error() string { return e.File + ": " + e.Reason }

func (h *Header) append(dst []byte) ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return dst, fmt.Errorf("header of a recording: %w", err)
	}
	return fmt.Appendf(dst, "%s%d %s\n", magicWords, formatVersion, text), nil
}

// readHeader reads the first line from the beginning of a file, which p holds as far
// as it was read. It gives its length, too.
func readHeader(file string, p []byte) (Header, int, error) {
	var h Header
	end := bytes.IndexByte(p, '\n')
	if known := min(len(p), len(magicWords)); string(p[:known]) != magicWords[:known] || end < 0 && len(p) >= maxHeaderLine {
		return h, 0, &FormatError{File: file, Reason: "this is no recording of warder"}
	}
	if end < 0 {
		return h, 0, &FormatError{File: file, Reason: "it ends within its first line", Torn: true}
	}
	version, text, _ := bytes.Cut(p[len(magicWords):end], []byte{' '})
	if string(version) != fmt.Sprint(formatVersion) {
		return h, 0, &FormatError{File: file, Reason: fmt.Sprintf("the recording has format version %q; this warder reads %d", version, formatVersion)}
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, 0, &FormatError{File: file, Reason: "the first line of the recording cannot be read: " + err.Error()}
	}
	if h.Payload != "none" && h.Payload != "keys" && h.Payload != "full" {
		return h, 0, &FormatError{File: file, Reason: fmt.Sprintf("the recording has payload %q, which this warder does not know", h.Payload)}
	}
	return h, end + 1, nil
}

// appendBlock appends a block.
func appendBlock(dst []byte, what byte, content []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, what)
	dst = append(dst, content...)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(content)))
	binary.BigEndian.PutUint32(dst[start+4:], crc32.Checksum(dst[start+8:], castagnoli))
	return dst
}

// readBlock reads a block into buf, which it grows as needed. io.EOF is a clean end;
// torn says what is wrong with a block that is not whole.
func readBlock(r io.Reader, buf []byte) (what byte, content []byte, torn string, err error) {
	var head [blockHead]byte
	n, err := io.ReadFull(r, head[:])
	switch {
	case n == 0 && err == io.EOF:
		return 0, nil, "", io.EOF
	case err == io.ErrUnexpectedEOF:
		return 0, nil, "it ends within the head of a block", nil
	case err != nil:
		return 0, nil, "", err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > maxBlock {
		return 0, nil, fmt.Sprintf("a block claims %d bytes", length), nil
	}
	if cap(buf) < int(length)+1 {
		buf = make([]byte, length+1)
	}
	buf = buf[:length+1]
	buf[0] = head[8]
	switch _, err = io.ReadFull(r, buf[1:]); {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return 0, buf, "it ends within a block", nil
	case err != nil:
		return 0, buf, "", err
	}
	if crc32.Checksum(buf, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return 0, buf, "the checksum of a block is wrong", nil
	}
	return head[8], buf[1:], "", nil
}
