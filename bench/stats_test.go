package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMedianIsOfTheSortedValues(t *testing.T) {
	for name, tt := range map[string]struct {
		values           []float64
		min, median, max float64
	}{
		"one":                      {[]float64{7}, 7, 7, 7},
		"two":                      {[]float64{4, 1}, 1, 2.5, 4},
		"odd, in no order":         {[]float64{9, 1, 5}, 1, 5, 9},
		"even, in no order":        {[]float64{8, 1, 3, 5}, 1, 4, 8},
		"one run that was delayed": {[]float64{1, 1, 1, 1, 900}, 1, 1, 900},
	} {
		t.Run(name, func(t *testing.T) {
			s := series{}
			for _, v := range tt.values {
				s.add(v)
			}
			assert.Equal(t, []float64{tt.min, tt.median, tt.max}, []float64{s.min(), s.median(), s.max()})
			assert.Equal(t, tt.values, s.values, "the order of the runs is kept")
		})
	}
}

func TestTargetIsMetAtItsBound(t *testing.T) {
	most, least := target{bound: 1.2}, target{atLeast: true, bound: 15}
	assert.True(t, most.met(1.2))
	assert.False(t, most.met(1.2001))
	assert.True(t, least.met(15))
	assert.False(t, least.met(14.99))
}

func TestPeakMemoryIsReadInBytes(t *testing.T) {
	got, err := vmHWM("Name:\tbootstrap\nVmPeak:\t 1240000 kB\nVmHWM:\t   12288 kB\nVmRSS:\t   11000 kB\n")
	require.NoError(t, err)
	assert.Equal(t, int64(12<<20), got)
	for _, status := range []string{"", "VmRSS:\t 1 kB\n", "VmHWM:\t many kB\n"} {
		_, err := vmHWM(status)
		assert.ErrorContains(t, err, "VmHWM", "%q", status)
	}
}
