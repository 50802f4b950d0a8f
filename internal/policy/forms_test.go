package policy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestForms(t *testing.T) {
	for name, form := range map[string]struct {
		is      func(string) bool
		yes, no []string
	}{
		"id":   {isID, []string{"a", "7", "world-open-22", strings.Repeat("a", 64)}, []string{"", "-a", "A", "a_b", "ä", strings.Repeat("a", 65)}},
		"name": {isName, []string{"a", "web-2"}, []string{"", "22", "2a", "-a"}},
		"actor": {IsActor,
			[]string{"arn:aws:iam::123456789012:role/path/deploy", "arn:aws-cn:iam::123456789012:user/alice", "arn:aws:iam::123456789012:root"},
			[]string{"", "arn:aws:iam::*:role/x", "arn:*:iam::123456789012:role/x", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:role/x:y", "arn:aws:sts::123456789012:assumed-role/deploy/alice"}},
		"actor pattern": {isActorPattern,
			[]string{"arn:aws:iam::123456789012:role/deploy", "arn:aws-cn:iam::*:role/path/*", "arn:*:iam::123456789012:user/alice", "arn:aws:iam::123456789012:root"},
			[]string{"", "arn:aws:sts::123456789012:assumed-role/deploy/alice", "arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:role/x:y", "arn:aws:iam::123:role/x", "arn:aws:iam::123456789012:roots", "arn:aws:iam:eu-west-1:123456789012:role/x", "*"}},
	} {
		for _, s := range form.yes {
			assert.True(t, form.is(s), "%s %q", name, s)
		}
		for _, s := range form.no {
			assert.False(t, form.is(s), "%s %q", name, s)
		}
	}
}
