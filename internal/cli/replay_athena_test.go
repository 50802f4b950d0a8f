package cli_test

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/internal/logfile"
	"sgward/localaws/s3api"
)

// athenaResult is the result that Athena would have for the records of log files.
func athenaResult(t *testing.T, files ...string) string {
	t.Helper()
	var b strings.Builder
	w := csv.NewWriter(&b)
	require.NoError(t, w.Write(logfile.TableColumns()))
	for _, name := range files {
		packed, err := os.Open(name)
		require.NoError(t, err)
		defer func() { _ = packed.Close() }() // it was only read
		data, err := gzip.NewReader(packed)
		require.NoError(t, err)
		var file struct{ Records []map[string]json.RawMessage }
		require.NoError(t, json.NewDecoder(data).Decode(&file))
		for _, record := range file.Records {
			lower := map[string]string{}
			for member, value := range record {
				var s string
				if json.Unmarshal(value, &s) != nil {
					s = string(value)
				}
				lower[strings.ToLower(member)] = s
			}
			var row []string
			for _, c := range logfile.TableColumns() {
				row = append(row, lower[c])
			}
			require.NoError(t, w.Write(row))
		}
	}
	w.Flush()
	return b.String()
}

func TestReplayRunsAQueryInAthenaAndJudgesItsResult(t *testing.T) {
	d := newWorkspace(t)
	root := filepath.Join("internal", "cli", "testdata", "files", "history", "AWSLogs")
	var files []string
	require.NoError(t, filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if filepath.Ext(path) == ".gz" && !strings.Contains(path, "Digest") {
			files = append(files, path)
		}
		return err
	}))
	results := &s3api.Server{}
	results.Put("results", "a/q-1.csv", []byte(athenaResult(t, files...)))
	results.Put("results", "a/q-1.csv.metadata", []byte("other"))
	var asked struct{ QueryString, WorkGroup string }
	outcome := `{"QueryExecution":{"Status":{"State":"SUCCEEDED"},"Statistics":{"DataScannedInBytes":1200000000000,"TotalExecutionTimeInMillis":40000},"ResultConfiguration":{"OutputLocation":"s3://results/a/q-1.csv"}}}`
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Amz-Target") {
		case "":
			results.ServeHTTP(w, r)
		case "AmazonAthena.StartQueryExecution":
			assert.NoError(t, json.NewDecoder(r.Body).Decode(&asked))
			fmt.Fprint(w, `{"QueryExecutionId":"q-1"}`)
		default:
			fmt.Fprint(w, outcome)
		}
	}))
	t.Cleanup(web.Close)
	local := d.run("replay --format json --quiet " + root)
	require.NotEmpty(t, local.out)
	remote := d.run("replay --format json --athena logs.cloudtrail --run --workgroup security --region eu-central-1 --endpoint-url " + web.URL)
	assert.Equal(t, local.status, remote.status, remote.errs)
	assert.Equal(t, withoutPlaces(t, local.out), withoutPlaces(t, remote.out))
	assert.Equal(t, "sgward: Athena scanned 1.2 TB in 40 s: 6.00 USD at 5 USD per TB, the list price; the result is s3://results/a/q-1.csv\n", remote.errs)
	assert.Equal(t, "security", asked.WorkGroup)
	printed := d.run("replay --athena logs.cloudtrail")
	assert.Equal(t, cli.StatusClean, printed.status)
	assert.Equal(t, printed.out, asked.QueryString)

	text := d.run("replay --athena logs.cloudtrail --run --price-per-tb 6.5 --region eu-central-1 --endpoint-url " + web.URL)
	assert.Contains(t, text.out, "the table logs.cloudtrail in Athena")
	assert.Contains(t, text.errs, "7.80 USD at 6.5 USD per TB; the result")

	outcome = `{"QueryExecution":{"Status":{"State":"FAILED","StateChangeReason":"COLUMN_NOT_FOUND: account"}}}`
	failed := d.run("replay --athena logs.cloudtrail --run --region eu-central-1 --endpoint-url " + web.URL)
	assert.Equal(t, cli.StatusError, failed.status)
	assert.Empty(t, failed.out)
	assert.Contains(t, failed.errs, "asking Athena for logs.cloudtrail: the query did not succeed: COLUMN_NOT_FOUND: account; --partitions names")
}

// withoutPlaces returns findings without where their records were read.
func withoutPlaces(t *testing.T, lines string) (out []map[string]any) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var f map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &f))
		for _, place := range []string{"file", "record", "line", "place"} {
			delete(f, place)
		}
		out = append(out, f)
	}
	return out
}

func TestFlagsOfAthenaFitTogether(t *testing.T) {
	d := newWorkspace(t)
	for args, said := range map[string]string{
		"--athena a --format json":                 "--athena prints the query and judges nothing: --format needs --run",
		"--athena a --out a.html":                  "--out needs --run",
		"--athena a AWSLogs":                       "--athena reads one table: leave out AWSLogs",
		"--athena a --run --account-history":       "--athena reads one table: leave out --account-history",
		"--athena a --output s3://results/":        "--output is for --run",
		"--athena a --run --output results":        "want s3://BUCKET/PREFIX/",
		"--athena a --run --price-per-tb -1":       "want a price in USD",
		"--athena a;b":                             "want TABLE, DATABASE.TABLE or CATALOG.DATABASE.TABLE",
		"--athena a --partitions hour=h":           "want account=COLUMN",
		"--athena a --since x":                     "--since \"x\": want a day",
		"--athena=":                                "want the name of CloudTrail's table",
		"--run AWSLogs":                            "--run is for --athena TABLE",
		"--workgroup a AWSLogs":                    "--workgroup is for --athena TABLE",
		"--athena a --policy internal --fail-on x": "--fail-on",
	} {
		got := d.run("replay " + args)
		assert.Equal(t, cli.StatusUsage, got.status, args)
		assert.Contains(t, got.errs, said, args)
		assert.Empty(t, got.out, args)
	}
}
