package records

// openMessages prepares the walk over a message of magic 0 or 1.
func (s *Scanner) openMessages() bool { return s.fail("Magic", magicAt, "not read yet") }

func (s *Scanner) nextMessage() (*Record, bool) { return nil, false }
