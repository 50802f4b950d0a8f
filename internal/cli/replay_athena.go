package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sgward/internal/athena"
	"sgward/internal/awscall"
	"sgward/internal/bucket"
	"sgward/internal/replay"
	"sgward/internal/text"
)

// athenaFlags select CloudTrail's table in Athena as the history.
type athenaFlags struct {
	table      string
	partitions []string
	runs       bool // else the query is printed
	workgroup  string
	output     string
	pricePerTB float64
}

func (f *athenaFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.table, "athena", "", "print the Athena query for CloudTrail's table TABLE or DATABASE.TABLE, or run it with --run")
	flags.StringSliceVar(&f.partitions, "partitions", athena.DefaultPartitions(), "the table's partition columns for --accounts, --regions, and --since and --until; date=year/month/day for three columns; "+athena.NoPartitions)
	flags.BoolVar(&f.runs, "run", false, "run the query of --athena and judge its result")
	flags.StringVar(&f.workgroup, "workgroup", "", "Athena workgroup for --run (default: primary)")
	flags.StringVar(&f.output, "output", "", "place for the results of --run, s3://BUCKET/PREFIX/ (default: the workgroup's)")
	flags.Float64Var(&f.pricePerTB, "price-per-tb", athena.ListPrice, "price in USD of a TB that --run scans, for the cost shown; the default is the list price")
}

// Flags that say how Athena is asked, and those that the query itself depends on.
var (
	runFlags   = []string{"workgroup", "output", "price-per-tb"}
	queryFlags = []string{"athena", "partitions", "run", "since", "until", "accounts", "regions", "quiet"}
)

// check refuses flags that do not fit together.
func (f *athenaFlags) check(flags *pflag.FlagSet, paths []string) error {
	var wrong error
	flags.Visit(func(flag *pflag.Flag) {
		switch name := flag.Name; {
		case wrong != nil:
		case f.table == "" && (name == "partitions" || name == "run" || slices.Contains(runFlags, name)):
			wrong = usageError("--%s is for --athena TABLE", name)
		case f.table != "" && !f.runs && slices.Contains(runFlags, name):
			wrong = usageError("--%s is for --run", name)
		case f.table != "" && !f.runs && !slices.Contains(queryFlags, name):
			wrong = usageError("--athena prints the query and judges nothing: --%s needs --run", name)
		case f.table != "" && name == "account-history":
			wrong = usageError("--athena reads one table: leave out --account-history")
		}
	})
	switch {
	case wrong != nil:
		return wrong
	case f.table == "" && flags.Changed("athena"):
		return usageError("--athena: want the name of CloudTrail's table")
	case f.table == "":
		return nil
	case len(paths) > 0:
		return usageError("--athena reads one table: leave out %s", text.Visible(paths[0]))
	case f.pricePerTB < 0:
		return usageError("--price-per-tb %v: want a price in USD", f.pricePerTB)
	}
	if _, err := f.from(); err != nil {
		return usageError("--athena: %w", err)
	}
	if f.output != "" {
		if _, err := bucket.ParseURL(f.output); err != nil {
			return usageError("--output %w", err)
		}
	}
	return nil
}

func (f *athenaFlags) from() (athena.Table, error) {
	return athena.NewTable(f.table, f.partitions) //nolint:wrapcheck // it names what is wrong
}

// query returns the table and the query for the chosen calls.
func (f *athenaFlags) query(o replay.Options) (athena.Table, string, error) {
	t, err := f.from()
	return t, t.Query(selection(o)), err
}

// selection chooses files and partitions as the options choose calls.
func selection(o replay.Options) bucket.Selection {
	return bucket.Selection{Accounts: o.Accounts, Regions: o.Regions, Since: o.Since, Until: o.Until}
}

// printQuery prints the query.
func (f *replayFlags) printQuery(in Invocation) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	_, query, err := f.query(o)
	if err != nil {
		return err
	}
	if _, err = io.WriteString(in.Stdout, query); err != nil {
		return fmt.Errorf("writing the query: %w", err)
	}
	return nil
}

// runQuery runs the query, says what it cost, and returns where the result is.
func (f *replayFlags) runQuery(ctx context.Context, in Invocation, config aws.Config, o replay.Options) (bucket.Place, error) {
	t, query, err := f.query(o)
	if err != nil {
		return bucket.Place{}, err
	}
	screen := startScreen(in, f.quiet, func() string { return "Athena reads " + f.table })
	defer screen.end()
	runner := athena.Runner{Client: awscall.New(config), Workgroup: f.workgroup, Output: f.output}
	result, err := runner.Run(ctx, t, query)
	screen.end()
	if err != nil {
		return bucket.Place{}, fmt.Errorf("asking Athena for %s: %w", f.table, err)
	}
	if !f.quiet {
		fmt.Fprintf(in.Stderr, "sgward: Athena scanned %s in %s: %s at %s USD per TB%s; the result is %s\n",
			text.Bytes(result.Scanned), text.Duration(result.Took.Seconds()), dollars(result.Cost(f.pricePerTB)),
			strconv.FormatFloat(f.pricePerTB, 'f', -1, 64), listed(f.pricePerTB), text.Visible(result.Place.String()))
	}
	return result.Place, nil
}

// listed says so if a price is the list price.
func listed(perTB float64) string {
	if perTB == athena.ListPrice {
		return ", the list price"
	}
	return ""
}

// dollars prints a price.
func dollars(usd float64) string {
	if usd < 0.01 {
		return "less than 0.01 USD"
	}
	return strconv.FormatFloat(usd, 'f', 2, 64) + " USD"
}
