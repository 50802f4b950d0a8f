package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

func TestOnlyYesIsYes(t *testing.T) {
	for answer, want := range map[string]error{
		"y\n": nil, "Y\n": nil, "yes\n": nil, " YES \r\n": nil, "yes": nil,
		"\n": errDeclined, "": errDeclined, "n\n": errDeclined, "yes please\n": errDeclined, "no\nyes\n": errDeclined,
	} {
		var errs bytes.Buffer
		err := confirm(context.Background(), Invocation{Stdin: strings.NewReader(answer), Stderr: &errs}, "Put back 1 rule?")
		assert.Equal(t, want, err, "%q", answer)
		assert.Equal(t, "Put back 1 rule? [y/N] ", errs.String())
	}
}

func TestInterruptEndsTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent, end := io.Pipe()
		ctx, interrupt := context.WithCancel(context.Background())
		asked := make(chan error)
		go func() { asked <- confirm(ctx, Invocation{Stdin: silent, Stderr: io.Discard}, "?") }()
		synctest.Wait()
		interrupt()
		assert.ErrorIs(t, <-asked, context.Canceled)
		assert.NoError(t, end.Close())
	})
}
