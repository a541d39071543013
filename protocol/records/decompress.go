package records

// decompress gives the records of the current batch, compressed with its
// codec in src. The result aliases src or s.out.
func (s *Scanner) decompress(src []byte) ([]byte, error) {
	if s.header.Codec == None {
		return src, nil
	}
	return nil, &CodecError{Codec: s.header.Codec, Err: errUnknownCodec}
}
