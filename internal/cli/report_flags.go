package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/text"
)

// judgeFlags are the flags of every command that judges many rules and writes a report.
type judgeFlags struct {
	outputFlags
	policy  string
	out     string
	failOn  string
	details bool
	// formatNamed is set if --format is given; else --out's ending names the format.
	formatNamed bool
}

func (f *judgeFlags) add(cmd *cobra.Command) {
	policyFlag(cmd, &f.policy)
	f.outputFlags.add(cmd, report.Formats()...)
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "out", "o", "", "write the report into this file; its ending names the format unless --format does")
	flags.BoolVar(&f.details, "details", false, detailsUsage)
	failOnFlag(cmd, &f.failOn)
	before := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.formatNamed = flags.Changed("format")
		return before(cmd, args)
	}
}

// detailsUsage is the usage of --details.
const detailsUsage = "in text, show everything that led to each verdict"

// failOnFlag sets which findings make the exit status 3.
func failOnFlag(cmd *cobra.Command, value *string) {
	var names []string
	for _, name := range report.FailOns() {
		names = append(names, string(name))
	}
	cmd.Flags().StringVar(value, "fail-on", string(report.FailOnAlert),
		"the weakest finding that makes the exit status 3: "+text.Or(names)+"; critical, high, medium and low count findings of any decision but exempt")
	offer(cmd, "fail-on", names...)
	before := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(names, *value) {
			return usageError("--fail-on %q: want %s", *value, text.Or(names))
		}
		return before(cmd, args)
	}
}

// read compiles the policy, and chooses the format.
func (f *judgeFlags) read(in Invocation) (*policy.Policy, report.Format, error) {
	if f.out != "" && !f.formatNamed {
		if format, ok := formatOf(f.out); ok {
			f.format = string(format)
		}
	}
	format := report.Format(f.format)
	if format == report.HTML && f.out == "" && isTerminal(in.Stdout) {
		return nil, "", usageError("--format html: a terminal cannot show a page: write it with --out report.html")
	}
	p, err := input.Policy(f.policy)
	if err != nil {
		return nil, "", &statusError{StatusUsage, err}
	}
	return p, format, nil
}

// formatOf returns the format that a file's ending names.
func formatOf(name string) (report.Format, bool) {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, ".ocsf.json") {
		return report.OCSF, true
	}
	switch filepath.Ext(name) {
	case ".html", ".htm":
		return report.HTML, true
	case ".json", ".jsonl", ".ndjson":
		return report.JSON, true
	case ".csv":
		return report.CSV, true
	case ".sarif":
		return report.SARIF, true
	case ".txt":
		return report.Text, true
	case ".md":
		return report.Markdown, true
	default:
		return "", false
	}
}

// look returns the options of the report: for a person at a terminal, or plain.
func (f *judgeFlags) look(in Invocation) report.Options {
	o := report.Options{Quiet: f.quiet, Details: f.details}
	if f.out == "" {
		terminal := in.terminal(in.Stdout)
		o.Color, o.Width = bool(terminal.Color), terminal.Width
	}
	return o
}

// destination is where a report goes: standard output, or a file that appears when the
// report is whole.
type destination struct {
	io.Writer
	name string
	file *os.File // written beside the name; nil for standard output
	// unnamed is set if the name should say which format the report has, and does not.
	unnamed report.Format
}

func (f *judgeFlags) destination(in Invocation) (*destination, error) {
	if f.out == "" || f.out == "-" {
		return &destination{Writer: in.Stdout}, nil
	}
	d, err := createFile(f.out)
	if err != nil {
		return nil, err
	}
	if _, ok := formatOf(f.out); !ok && !f.formatNamed && filepath.Ext(f.out) != "" {
		d.unnamed = report.Format(f.format)
	}
	return d, nil
}

// createFile returns a file that appears under its name once it is kept.
func createFile(name string) (*destination, error) {
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		return nil, usageError("--out %s: is a folder: want the name of a file", name)
	}
	where := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".part")
	if err == nil && !info.Mode().IsRegular() { // such as /dev/null
		where = name
	}
	file, err := os.OpenFile(where, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // what it holds is for the owner's umask to protect
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fmt.Errorf("--out %s: %w", name, err)
	}
	return &destination{Writer: file, file: file, name: name}, nil
}

// keep makes a whole report appear under its name.
func (d *destination) keep(in Invocation, quiet bool) error {
	if d.file == nil {
		return nil
	}
	part := d.file.Name()
	err := d.file.Close()
	d.file = nil
	if err == nil && part != d.name {
		err = os.Rename(part, d.name)
	}
	if err != nil {
		return fmt.Errorf("--out %s: %w", d.name, err)
	}
	if !quiet {
		how := ""
		if d.unnamed != "" {
			how = fmt.Sprintf(" as %s: the ending %s names no format", d.unnamed, filepath.Ext(d.name))
		}
		fmt.Fprintf(in.Stderr, "sgward: wrote %s\n", text.Visible(d.name+how))
	}
	return nil
}

// discard removes an unfinished report.
func (d *destination) discard() {
	if d.file == nil {
		return
	}
	_ = d.file.Close() // it is discarded
	if d.file.Name() != d.name {
		_ = os.Remove(d.file.Name())
	}
	d.file = nil
}

// write makes a report, which judge fills, naming the parts that could not be read. Once the report is whole it calls then,
// unless that is nil.
func (f *judgeFlags) write(
	in Invocation, format report.Format, run report.Run, judge func(report.Writer) ([]text.Problem, error), then func() error,
) error {
	to, err := f.destination(in)
	if err != nil {
		return err
	}
	defer to.discard()
	w, err := report.New(format, to, run, f.look(in))
	if err != nil {
		return err
	}
	tally := report.Count(w, report.FailOn(f.failOn))
	problems, err := judge(tally)
	if err != nil {
		return err
	}
	if err := to.keep(in, f.quiet); err != nil {
		return err
	}
	if then != nil {
		if err := then(); err != nil {
			return err
		}
	}
	return f.ends(in, format, problems, tally.Findings())
}

// ends returns the error of a command that has written a report.
func (f *judgeFlags) ends(in Invocation, format report.Format, problems []text.Problem, findings int) error {
	switch n := len(problems); {
	case n > 0:
		if format != report.Text || f.out != "" { // the text names them
			for _, p := range problems {
				fmt.Fprintln(in.Stderr, "sgward: "+text.Visible(p.Place+": "+p.Text))
			}
		}
		return &statusError{StatusError, fmt.Errorf("%s: the report is incomplete", text.Plural(n, "problem"))}
	case findings > 0:
		return &statusError{status: StatusFindings}
	default:
		return nil
	}
}

// nothingJudged is the error of a command that could not read anything.
func nothingJudged(problems []text.Problem) error {
	const most = 20
	var lines []string
	for _, p := range problems[:min(most, len(problems))] {
		between := ": "
		if verb, _, _ := strings.Cut(p.Text, " "); slices.Contains([]string{"does", "holds", "is", "cannot"}, verb) {
			between = " "
		}
		lines = append(lines, text.Visible(p.Place+between+p.Text))
	}
	if len(lines) == 1 {
		return &statusError{StatusError, errors.New("nothing was judged: " + lines[0])}
	}
	if more := len(problems) - len(lines); more > 0 {
		lines = append(lines, "and "+text.Thousands(more)+" more problems")
	}
	return &statusError{StatusError, errors.New("nothing was judged:\n  " + strings.Join(lines, "\n  "))}
}
