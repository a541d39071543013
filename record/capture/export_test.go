package capture

// Held is how many bytes wait in all connections.
func (s *Source) Held() int { return s.memory }
