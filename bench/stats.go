package main

import "slices"

// series holds the measurements of one program, in the order of the runs: seconds, bytes
// or counts. Its zero value is empty.
type series struct {
	name   string
	values []float64
}

func (s *series) add(v float64) { s.values = append(s.values, v) }

// min returns the least value.
func (s *series) min() float64 { return slices.Min(s.values) }

// max returns the greatest value.
func (s *series) max() float64 { return slices.Max(s.values) }

// median is the middle value, or the mean of the two middle ones. It panics, like
// min and max, if nothing was measured.
func (s *series) median() float64 {
	sorted := slices.Sorted(slices.Values(s.values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// target is the bound of a ratio or a value.
type target struct {
	atLeast bool // else at most
	bound   float64
	unit    string // "x", "MB"
}

func (t target) met(v float64) bool {
	if t.atLeast {
		return v >= t.bound
	}
	return v <= t.bound
}
