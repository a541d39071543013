package records

// Expand gives all records of the current batch of magic 2 as they are without
// compression, before NextRecord is called for the first time. They alias the blob or
// the scanner's output buffer and die with the next call. Errors: *CodecError,
// *BombError, *MalformedError.
func (s *Scanner) Expand() ([]byte, error) {
	if s.state != unopened || s.header.Magic < 2 {
		return nil, &MalformedError{Field: "Magic", Record: -1, Offset: magicAt, Reason: "not a batch, or one that is open already"}
	}
	body, err := s.decompress(s.Payload())
	if err != nil {
		s.failBatch(err)
	}
	return body, err
}
