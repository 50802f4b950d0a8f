package cli_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/internal/functionstest"
	"sgward/internal/stack/stacktest"
	"sgward/localaws"
)

func TestMain(m *testing.M) { functionstest.Main(m) }

// deployed is a workspace whose AWS has a deployed stack.
func deployed(t *testing.T) (*workspace, *localaws.Stack) {
	t.Helper()
	d := newWorkspace(t)
	s, _ := stacktest.Start(t, nil)
	t.Setenv("AWS_ENDPOINT_URL", s.Endpoint())
	t.Setenv("AWS_REGION", "us-east-1")
	return d, s
}

func TestRedriveSendsBackWhatIsChosen(t *testing.T) {
	d, s := deployed(t)
	dead, _ := s.Queue("DeadLetterQueue")
	got := d.run("redrive --all")
	assert.Equal(t, said{cli.StatusClean, "", "No dead letters in stack sgward.\n"}, got)

	var ids []string
	for range 2 {
		id, err := dead.Send(`{"source":"aws.events","detail-type":"Scheduled Event","id":"a","account":"123456789012","region":"us-east-1","time":"2026-11-28T10:00:00Z"}`)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	_, err := dead.Send("of unknown shape")
	require.NoError(t, err)

	got = d.run("redrive --dry-run")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.out, "the scheduled sweep of 2026-11-28 10:00:00 UTC\n")
	assert.Contains(t, got.out, "It stays in the queue: it is not a JSON object.\n")
	assert.Equal(t, "3 dead letters in stack sgward: 2 for sweep; 1 of unknown shape, which stay.\n", got.errs)

	got = d.run("redrive --format json " + ids[0])
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Equal(t, 1, strings.Count(got.out, "\n"))
	assert.Contains(t, got.out, `"messageId":"`+ids[0]+`"`)
	assert.Contains(t, got.out, `"outcome":"sent"`)
	assert.Equal(t, "Sent back 1 message: 1 for sweep.\n", got.errs)
	got = d.run("redrive " + ids[0])
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, "no message "+ids[0]+" in the dead-letter queue")

	got = d.run("redrive --all --quiet")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.out, ids[1]+", for sweep")
	assert.Equal(t, "sgward: 1 message left in the dead-letter queue\n", got.errs)
	assert.Equal(t, 1, dead.Depth().Visible)
}

// The clock of SQS counts. Here it says that the run began an hour before the message came.
func TestRedriveFailsIfItLeavesAllForLater(t *testing.T) {
	d, s := deployed(t)
	dead, _ := s.Queue("DeadLetterQueue")
	id, err := dead.Send(`{"source":"aws.events","detail-type":"Scheduled Event","time":"2026-11-28T10:00:00Z"}`)
	require.NoError(t, err)
	target, err := url.Parse(s.Endpoint())
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		return nil
	}
	web := httptest.NewServer(proxy)
	defer web.Close()
	t.Setenv("AWS_ENDPOINT_URL", web.URL)
	got := d.run("redrive --all --quiet")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Equal(t, "sgward: nothing was sent back: 1 message arrived after this run began\n", got.errs)
	got = d.run("redrive --quiet " + id)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Equal(t, "sgward: message "+id+" was sent to the queue after this run began, and stays: run it again\n", got.errs)
	assert.Equal(t, 1, dead.Depth().Visible)
}

func TestRedriveAsksAPersonOnly(t *testing.T) {
	d := newWorkspace(t)
	got := d.run("redrive")
	assert.Equal(t, cli.StatusUsage, got.status)
	assert.Contains(t, got.errs, "stdin is not a terminal: pass --all")
	assert.Equal(t, cli.StatusUsage, d.run("redrive --all m1").status)
}

func TestRedriveNamesTheStacksThatThereAre(t *testing.T) {
	d, _ := deployed(t)
	got := d.run("redrive --all --stack elsewhere")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Equal(t, "sgward: no stack elsewhere in us-east-1: name one with --stack: sgward\n", got.errs)
}
