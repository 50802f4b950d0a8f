package text

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPaperWrapsLinesAndLeavesCommandsAlone(t *testing.T) {
	const said = "a line of some words\n    indented words go on\nshort\naws ec2 revoke-security-group-ingress \\\n  --group-id sg-0123456789abcdef0 --ip-permissions x\nafter it lines are wrapped again\n"
	assert.Equal(t, said, Terminal{}.Lines(said), "a pipe has no width")
	assert.Equal(t, "a line of some\n  words\n    indented\n      words go\n      on\nshort\n"+
		"aws ec2 revoke-security-group-ingress \\\n  --group-id sg-0123456789abcdef0 --ip-permissions x\n"+
		"after it lines\n  are wrapped\n  again\n", Terminal{Width: 14}.Lines(said))
}

func TestPaperFlows(t *testing.T) {
	const long = "One\ntwo three.\nExit status: 0\nclean.\n\n- item one\n  goes on\n- item"
	assert.Equal(t, "One two\nthree.\nExit status:\n0 clean.\n\n- item one\n  goes on\n- item", Terminal{Width: 12}.Flow(long, "Exit status:"))
	assert.Equal(t, "One two three. Exit status: 0 clean.\n\n- item one goes on\n- item", Terminal{}.Flow(long))
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestWriterWrapsWhatItPassesOn(t *testing.T) {
	var b strings.Builder
	n, err := Writer{Terminal{Width: 7}, &b}.Write([]byte("one two three\n"))
	require.NoError(t, err)
	assert.Equal(t, 14, n, "as many as were given")
	assert.Equal(t, "one two\n  three\n", b.String())
	_, err = Writer{Terminal{Width: 7}, broken{}}.Write([]byte("one"))
	assert.ErrorContains(t, err, "full")
}
