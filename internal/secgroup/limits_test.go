package secgroup_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/secgroup"
)

func TestTagsAreJudgedAsEC2Does(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	many := make([]secgroup.Tag, 51)
	for i := range many {
		many[i] = secgroup.Tag{Key: strings.Repeat("k", i+1)}
	}
	for name, tt := range map[string]struct {
		tags []secgroup.Tag
		ok   bool
	}{
		"none":           {nil, true},
		"fifty":          {many[:50], true},
		"fifty-one":      {many, false},
		"AWS's own":      {[]secgroup.Tag{{Key: "AWS:x", Value: long(999)}}, true},
		"no key":         {[]secgroup.Tag{{Value: "x"}}, false},
		"no value":       {[]secgroup.Tag{{Key: "x"}}, true},
		"longest":        {[]secgroup.Tag{{Key: long(128), Value: long(256)}}, true},
		"key too long":   {[]secgroup.Tag{{Key: long(129)}}, false},
		"value too long": {[]secgroup.Tag{{Key: "k", Value: long(257)}}, false},
		"twice":          {[]secgroup.Tag{{Key: "k", Value: "1"}, {Key: "k", Value: "2"}}, false},
		"not UTF-8":      {[]secgroup.Tag{{Key: "k", Value: "\xff"}}, false},
	} {
		assert.Equal(t, tt.ok, secgroup.CheckTags(tt.tags) == nil, name)
	}
}
