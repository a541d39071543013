package records

import "fmt"

// CompressedSize says how many bytes the records of a batch would take,
// compressed as the Java producer does it. It costs as much as compressing them.
func CompressedSize(codec Codec, payload []byte) (int, error) {
	out, err := appendCompressed(make([]byte, 0, len(payload)), codec, 2, payload)
	if err != nil {
		return 0, fmt.Errorf("try %s: %w", codec, err)
	}
	return len(out), nil
}
