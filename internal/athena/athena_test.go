package athena_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/athena"
	"sgward/internal/awscall"
	"sgward/internal/bucket"
	"sgward/internal/logfile"
)

func day(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, s)
	require.NoError(t, err)
	return at
}

func TestConditionsAreOnPartitionsWhereTheTableHasThem(t *testing.T) {
	window := bucket.Selection{
		Accounts: []string{"123456789012", "210987654321"}, Regions: []string{"eu-central-1"},
		Since: day(t, "2026-01-01"), Until: day(t, "2026-02-01"),
	}
	for _, c := range []struct {
		partitions []string
		want       []string
	}{
		{athena.DefaultPartitions(), []string{
			`"account" IN ('123456789012', '210987654321')`, `"region" IN ('eu-central-1')`,
			`"timestamp" >= '2025/12/31'`, `"timestamp" <= '2026/02/02'`,
		}},
		{[]string{"date=year/month/day"}, []string{
			`(recipientaccountid IS NULL OR recipientaccountid IN ('123456789012', '210987654321'))`, `awsregion IN ('eu-central-1')`,
			`concat("year", '/', "month", '/', "day") >= '2025/12/31'`, `concat("year", '/', "month", '/', "day") <= '2026/02/02'`,
		}},
		{[]string{athena.NoPartitions}, []string{
			`(recipientaccountid IS NULL OR recipientaccountid IN ('123456789012', '210987654321'))`, `awsregion IN ('eu-central-1')`,
			`substr(eventtime, 1, 10) >= '2025-12-31'`, `substr(eventtime, 1, 10) <= '2026-02-02'`,
		}},
	} {
		table, err := athena.NewTable("logs.cloudtrail", c.partitions)
		require.NoError(t, err)
		_, conditions, found := strings.Cut(table.Query(window), "(errorcode IS NULL OR errorcode = '')\n  AND ")
		require.True(t, found)
		assert.Equal(t, c.want, strings.Split(strings.TrimSpace(conditions), "\n  AND "))
		assert.Contains(t, table.Query(window), "\nFROM \"logs\".\"cloudtrail\"\n")
		assert.True(t, strings.HasSuffix(table.Query(bucket.Selection{}), "(errorcode IS NULL OR errorcode = '')\n"), "nothing is chosen")
	}
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	for _, name := range []string{"", "a.b.c.d", `a"b`, "a b", "a;b", "a..b", "a'"} {
		_, err := athena.NewTable(name, nil)
		require.ErrorContains(t, err, "want TABLE, DATABASE.TABLE or CATALOG.DATABASE.TABLE", name)
	}
	for _, p := range []string{"", "account", "account=", "account=a/b", "region=a b", "date=a/b", `date="x"`, "hour=h", "none"} {
		_, err := athena.NewTable("a", []string{p, "region=r"})
		require.ErrorContains(t, err, "want account=COLUMN", p)
	}
	_, err := athena.NewTable("a", []string{"region=r", "region=s"})
	require.ErrorContains(t, err, "at most once")
}

// server answers as Athena does, and keeps the calls.
type server struct {
	mu    sync.Mutex
	calls []string
	start map[string]any
	// states are those of the query, one after the other, the last for ever.
	states []map[string]any
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonAthena.")
	s.calls = append(s.calls, operation)
	body, _ := io.ReadAll(r.Body)
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	var out any = map[string]any{}
	switch {
	case !strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/athena/aws4_request"):
		w.WriteHeader(http.StatusForbidden)
	case operation == "StartQueryExecution":
		s.start = in
		out = map[string]any{"QueryExecutionId": "q-1"}
	case in["QueryExecutionId"] != "q-1":
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]any{"__type": "InvalidRequestException", "message": "no such query"}
	case operation == "GetQueryExecution":
		out = map[string]any{"QueryExecution": s.states[0]}
		if len(s.states) > 1 {
			s.states = s.states[1:]
		}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func state(name, reason, location string) map[string]any {
	return map[string]any{
		"Status":              map[string]any{"State": name, "StateChangeReason": reason},
		"Statistics":          map[string]any{"DataScannedInBytes": 3e12, "TotalExecutionTimeInMillis": 4200},
		"ResultConfiguration": map[string]any{"OutputLocation": location},
	}
}

func (s *server) run(ctx context.Context, t *testing.T, r athena.Runner, name string) (athena.QueryResult, error) {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	r.Client = awscall.New(aws.Config{Region: "eu-central-1", BaseEndpoint: aws.String(web.URL), Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")})
	table, err := athena.NewTable(name, nil)
	require.NoError(t, err)
	return r.Run(ctx, table, "SELECT 1")
}

func TestAQueryIsRunToItsEnd(t *testing.T) {
	s := &server{states: []map[string]any{state("QUEUED", "", ""), state("RUNNING", "", ""), state("SUCCEEDED", "", "s3://results/a/q-1.csv")}}
	got, err := s.run(t.Context(), t, athena.Runner{Workgroup: "security", Output: "s3://results/a/"}, "cloudtrail")
	require.NoError(t, err)
	assert.Equal(t, athena.QueryResult{Place: bucket.Place{Bucket: "results", Path: "a/q-1.csv"}, Scanned: 3e12, Took: 4200 * time.Millisecond}, got)
	assert.InDelta(t, 15.0, got.Cost(athena.ListPrice), 1e-9)
	assert.InDelta(t, 0.00005, athena.QueryResult{Scanned: 1}.Cost(5), 1e-9, "10 MB are the least")
	assert.Equal(t, []string{"StartQueryExecution", "GetQueryExecution", "GetQueryExecution", "GetQueryExecution"}, s.calls)
	assert.GreaterOrEqual(t, len(s.start["ClientRequestToken"].(string)), 32)
	delete(s.start, "ClientRequestToken")
	assert.Equal(t, map[string]any{
		"QueryString": "SELECT 1", "WorkGroup": "security", "QueryExecutionContext": map[string]any{"Database": "default"},
		"ResultConfiguration": map[string]any{"OutputLocation": "s3://results/a/"},
	}, s.start)

	s = &server{states: []map[string]any{state("SUCCEEDED", "", "s3://results/q-1.csv")}}
	_, err = s.run(t.Context(), t, athena.Runner{}, "logs.cloudtrail")
	require.NoError(t, err)
	assert.Equal(t, "primary", s.start["WorkGroup"])
	assert.NotContains(t, s.start, "QueryExecutionContext")
	assert.NotContains(t, s.start, "ResultConfiguration")
}

func TestAQueryThatFailsSaysWhy(t *testing.T) {
	for _, c := range []struct {
		state map[string]any
		want  string
	}{
		{state("FAILED", "COLUMN_NOT_FOUND: line 27:7: Column 'account' cannot be resolved", ""), "the query did not succeed: COLUMN_NOT_FOUND: line 27:7: Column 'account' cannot be resolved; --partitions names the partition columns of the table, or none"},
		{state("CANCELLED", "", ""), "the query did not succeed: cancelled"},
		{state("SUCCEEDED", "", ""), "name one with --output"},
	} {
		_, err := (&server{states: []map[string]any{c.state}}).run(t.Context(), t, athena.Runner{}, "a")
		require.ErrorContains(t, err, c.want)
	}
}

func TestAnInterruptedRunStopsTheQuery(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s := &server{states: []map[string]any{state("RUNNING", "", "")}}
	_, err := s.run(ctx, t, athena.Runner{}, "a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, "StopQueryExecution", s.calls[len(s.calls)-1])
}

func TestTheTableOfThePageHasTheColumnsOfTheQuery(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "ATHENA.md"))
	require.NoError(t, err)
	_, ddl, _ := strings.Cut(string(page), "CREATE EXTERNAL TABLE")
	ddl, _, found := strings.Cut(ddl, "```")
	require.True(t, found)
	for _, c := range logfile.TableColumns() {
		assert.Contains(t, ddl, "\n  "+c+" ")
	}
	for _, p := range athena.DefaultPartitions() {
		_, column, _ := strings.Cut(p, "=")
		assert.Contains(t, ddl, "'projection."+column+".type'")
		assert.Contains(t, ddl, "${"+column+"}")
	}
	assert.Contains(t, string(page), "`"+strings.Join(athena.DefaultPartitions(), ",")+"`")
}
