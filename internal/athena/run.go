package athena

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"sgward/internal/awscall"
	"sgward/internal/bucket"
	"sgward/internal/pause"
)

// Runner runs a query. Client is required.
type Runner struct {
	Client *awscall.Client
	// Workgroup runs the query; "" is the primary one.
	Workgroup string
	// Output is the place of the results, s3://BUCKET/PREFIX/; "" is the workgroup's.
	Output string
}

// QueryResult is the output of a query that succeeded.
type QueryResult struct {
	// Place is the CSV file.
	Place bucket.Place
	// Scanned is the number of bytes that Athena read, compressed where the files are.
	Scanned int64
	Took    time.Duration
}

// Prices of Athena (https://aws.amazon.com/athena/pricing/).
const (
	// ListPrice is the price in USD of a TB scanned in most regions.
	ListPrice = 5.0
	// leastCharged is what a query costs at least, in bytes.
	leastCharged = 10e6
	// terabyte is that of SI: with 2^40 bytes, costs would be a tenth lower.
	terabyte = 1e12
)

// Cost returns the price of a query in USD.
func (r QueryResult) Cost(perTB float64) float64 {
	return max(float64(r.Scanned), leastCharged) / terabyte * perTB
}

// The pauses between two questions about the state of a query.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 3 * time.Second
	// stopTime is for stopping the query of a run that was interrupted.
	stopTime = 5 * time.Second
)

// execution is the part of Athena's QueryExecution that is read.
type execution struct {
	Status struct{ State, StateChangeReason string }

	Statistics          struct{ DataScannedInBytes, TotalExecutionTimeInMillis int64 }
	ResultConfiguration struct{ OutputLocation string }
}

var (
	errNoPlace = errors.New("the workgroup names no place in S3 for its results: name one with --output, or another --workgroup")
	errFailed  = errors.New("the query did not succeed")
)

// Run runs a query to its end. If ctx ends before, the query is stopped.
func (r *Runner) Run(ctx context.Context, t Table, query string) (QueryResult, error) {
	type object = map[string]any
	in := object{
		"QueryString": query,
		// The same token starts no second query if the call is made again.
		"ClientRequestToken": rand.Text() + rand.Text(),
		"WorkGroup":          cmp.Or(r.Workgroup, "primary"),
	}
	if !strings.Contains(t.Name, ".") {
		in["QueryExecutionContext"] = object{"Database": "default"}
	}
	if r.Output != "" {
		in["ResultConfiguration"] = object{"OutputLocation": r.Output}
	}
	var started struct{ QueryExecutionID string }
	if err := r.Client.JSON(ctx, awscall.Athena, "StartQueryExecution", in, &started); err != nil {
		return QueryResult{}, err //nolint:wrapcheck // it names the call
	}
	id := object{"QueryExecutionId": started.QueryExecutionID}
	for wait := firstPause; ; wait = min(2*wait, mostPause) {
		var out struct{ QueryExecution execution }
		err := r.Client.JSON(ctx, awscall.Athena, "GetQueryExecution", id, &out)
		switch e := out.QueryExecution; {
		case ctx.Err() != nil:
			return QueryResult{}, r.stop(ctx, id)
		case err != nil:
			return QueryResult{}, errors.Join(err, r.stop(ctx, id))
		case e.Status.State == "SUCCEEDED":
			return e.result()
		case e.Status.State == "FAILED", e.Status.State == "CANCELLED":
			return QueryResult{}, fmt.Errorf("%w: %s%s", errFailed, cmp.Or(e.Status.StateChangeReason, strings.ToLower(e.Status.State)), advice(e.Status.StateChangeReason))
		}
		_ = pause.For(ctx, wait) // the next question tells that ctx has ended
	}
}

// stop stops a query, as it costs money, and returns the reason of the end of ctx.
func (r *Runner) stop(ctx context.Context, id any) error {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := r.Client.JSON(late, awscall.Athena, "StopQueryExecution", id, nil); err != nil {
		return errors.Join(context.Cause(ctx), fmt.Errorf("the query goes on: %w", err))
	}
	return context.Cause(ctx)
}

// advice follows the reason of a failure.
func advice(reason string) string {
	if strings.Contains(reason, "COLUMN_NOT_FOUND") {
		return "; --partitions names the partition columns of the table, or none"
	}
	return ""
}

func (e *execution) result() (QueryResult, error) {
	out := QueryResult{
		Scanned: e.Statistics.DataScannedInBytes,
		Took:    time.Duration(e.Statistics.TotalExecutionTimeInMillis) * time.Millisecond,
	}
	location := e.ResultConfiguration.OutputLocation
	if location == "" {
		return out, errNoPlace
	}
	var err error
	if out.Place, err = bucket.ParseURL(location); err != nil {
		return out, fmt.Errorf("the place of the results: %w", err)
	}
	return out, nil
}
