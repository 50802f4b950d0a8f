package cli_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/localaws/s3api"
)

func TestReplayOfTheAccountsHistoryNeedsNoTrail(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	d.openedAndClosed(group, 3306, "0.0.0.0/0")
	got := d.run("replay --account-history --regions us-east-1 --format json --quiet")
	require.Equal(t, cli.StatusFindings, got.status, got.errs)
	var line struct {
		GroupID, Decision string
		ExposureSeconds   *float64
		Place             string
	}
	require.NoError(t, json.Unmarshal([]byte(strings.SplitAfter(got.out, "\n")[0]), &line), got.out)
	assert.Equal(t, group, line.GroupID)
	assert.Equal(t, "revoke", line.Decision)
	assert.NotNil(t, line.ExposureSeconds, "the call that closed it is in the history too")

	text := d.run("replay --account-history --details") // every region of the stand-in has the same history
	assert.Equal(t, cli.StatusFindings, text.status, text.errs)
	assert.Contains(t, text.out, "the account's event history")
	assert.Regexp(t, "event history of [a-z0-9-]+, AuthorizeSecurityGroupIngress, page 1 line 1", text.out)

}

func TestReplayReadsABucketWithoutCopyingIt(t *testing.T) {
	d := newWorkspace(t)
	root := filepath.Join("internal", "cli", "testdata", "files", "history")
	bucket := &s3api.Server{}
	require.NoError(t, filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		bucket.Put("my-trail-bucket", filepath.ToSlash(rel), data)
		return err
	}))
	web := httptest.NewServer(bucket)
	t.Cleanup(web.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", web.URL)
	t.Setenv("AWS_ENDPOINT_URL", "")
	local := d.run("replay --format csv --quiet " + root + "/AWSLogs")
	remote := d.run("replay --format csv --quiet --since 2026-09-01 s3://my-trail-bucket/AWSLogs/")
	assert.Equal(t, local.status, remote.status, remote.errs)
	assert.NotEmpty(t, remote.out)
	assert.Equal(t, local.out, strings.ReplaceAll(remote.out, "s3://my-trail-bucket/", root+"/"))

	missing := d.run("replay s3://no-such-bucket/AWSLogs/")
	assert.Equal(t, cli.StatusError, missing.status)
	assert.Contains(t, missing.errs, "s3://no-such-bucket/AWSLogs/ cannot be read: s3:ListBucket: NoSuchBucket: The specified bucket does not exist")
	assert.Contains(t, d.run("replay s3://A").errs, "want s3://BUCKET/PREFIX/")
	assert.Contains(t, d.run("replay --profile x AWSLogs").errs, "files are judged without AWS")
}
