package jsonscan

// Effort is how many bytes were read more than once to find the end of damage.
func (s *Splitter) Effort() int64 { return s.effort }
