package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
	"sgward/internal/replay"
)

const history = "testdata/files/history"

func TestMomentsAreTimesOrDaysOfUTC(t *testing.T) {
	for _, test := range []struct {
		text string
		end  bool
		want string
	}{
		{"2026-11-03", false, "2026-11-03T00:00:00Z"},
		{"2026-11-03", true, "2026-11-04T00:00:00Z"},
		{"2026-02-28", true, "2026-03-01T00:00:00Z"},
		{"2026-11-03T12:00:00+02:00", true, "2026-11-03T10:00:00Z"},
	} {
		got, err := moment(test.text, test.end)
		require.NoError(t, err)
		assert.Equal(t, test.want, got.Format(time.RFC3339), "%+v", test)
	}
	none, err := moment("", true)
	require.NoError(t, err)
	assert.True(t, none.IsZero())
	for _, bad := range []string{"2026-13-01", "03.11.2026", "12:00", " "} {
		_, err := moment(bad, false)
		assert.ErrorContains(t, err, "want a day such as", bad)
	}
}

func TestProgressTellsFilesBytesOpeningsAndTimeLeft(t *testing.T) {
	var p replay.Progress
	p.Files.Store(3)
	p.Bytes.Store(250_000)
	p.Openings.Store(1)
	sources := []logfile.Source{{Name: "a", Size: 600_000}, {Name: "b", Size: 400_000}}
	found := foundSources{local: logfile.Found{Sources: sources}}
	assert.Equal(t, "3 of 2 files, 250 kB of 1.0 MB, 1 opening to judge", found.howFar(&p, time.Now())())
	assert.Equal(t, "3 of 2 files, 250 kB of 1.0 MB, 1 opening to judge, 30 s left", found.howFar(&p, time.Now().Add(-10*time.Second))())
	sources[1].Size = -1
	assert.Equal(t, "3 of 2 files, 250 kB, 1 opening to judge", found.howFar(&p, time.Now().Add(-10*time.Second))(), "what comes over a pipe has no end that is known")
	found.live = true
	assert.Equal(t, "3 files, 250 kB, 1 opening to judge", found.howFar(&p, time.Now())())
	found.listed.Store(40)
	assert.Equal(t, "3 of 42 files found so far, 250 kB, 1 opening to judge, 1 files a second", found.howFar(&p, time.Now().Add(-3*time.Second))())
}

func TestInterruptedReplayWritesNoReport(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stdout, stderr strings.Builder
	status := Run(ctx, Invocation{
		Args: []string{"replay", "--policy", "../../policy.yaml", history}, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	assert.Equal(t, StatusError, status)
	assert.Empty(t, stdout.String())
	assert.Contains(t, stderr.String(), "sgward: interrupted\n")
}

// brokenPipe is what a reader leaves behind that went away.
type brokenPipe struct{}

var errGone = errors.New("the reader is gone")

func (brokenPipe) Write([]byte) (int, error) { return 0, errGone }

func TestReportThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, format := range []string{"text", "json", "csv", "sarif", "html"} {
		var stderr strings.Builder
		status := Run(context.Background(), Invocation{
			Args: []string{"replay", "--quiet", "--format", format, "--policy", "../../policy.yaml", history}, Stdin: strings.NewReader(""), Stdout: brokenPipe{}, Stderr: &stderr,
			LookupEnv: func(string) (string, bool) { return "", false },
		})
		assert.Equal(t, StatusError, status, format)
		assert.Equal(t, "sgward: writing the report: "+errGone.Error()+"\n", stderr.String(), format)
	}
}

// Every command of the page is run, on the history that the transcripts use.
func TestCommandsOfTheReplayPageRun(t *testing.T) {
	page, err := os.ReadFile("../../docs/REPLAY.md")
	require.NoError(t, err)
	files, err := filepath.Abs("testdata/files")
	require.NoError(t, err)
	stand := strings.NewReplacer("AWSLogs/", filepath.Join(files, "history"), "stricter.yaml", filepath.Join(files, "stricter.yaml"),
		"events.json", filepath.Join(files, "history", "lookup-events.json"), "history.html", filepath.Join(t.TempDir(), "history.html"))
	t.Chdir("../..")
	ran := 0
	for _, line := range strings.Split(string(page), "\n") {
		_, command, found := strings.Cut(line, "sgward replay ")
		if !found || strings.HasPrefix(line, "|") || strings.Contains(line, "`") ||
			strings.Contains(line, "--account-history") || strings.Contains(line, "s3://") { // tested beside a stand-in
			continue
		}
		command, _, _ = strings.Cut(command, " > ")
		input, err := os.Open(filepath.Join(files, "history", "lookup-events.json"))
		require.NoError(t, err)
		var stdout, stderr strings.Builder
		args := []string{"replay"}
		for _, word := range strings.Fields(command) {
			args = append(args, stand.Replace(word)) // which may hold blanks
		}
		status := Run(context.Background(), Invocation{
			Args: args, Stdin: input, Stdout: &stdout, Stderr: &stderr,
			LookupEnv: func(string) (string, bool) { return "", false },
		})
		require.NoError(t, input.Close())
		assert.Equal(t, StatusFindings, status, "%s\n%s", line, stderr.String())
		assert.True(t, stdout.Len() > 0 || strings.Contains(stderr.String(), "sgward: wrote "), line)
		ran++
	}
	assert.Greater(t, ran, 5)
}
