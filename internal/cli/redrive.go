package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"sgward/internal/awscall"
	"sgward/internal/redrive"
	"sgward/internal/report"
	"sgward/internal/stack"
	"sgward/internal/text"
)

// stackNameUsage is the usage of --stack.
const stackNameUsage = "name of the deployed stack"

type redriveFlags struct {
	awsFlags
	outputFlags
	stack       string
	all, dryRun bool
}

func redriveCommand(in Invocation) *cobra.Command {
	var f redriveFlags
	cmd := &cobra.Command{
		Use:   "redrive [MESSAGE-ID...]",
		Short: "Send dead letters back, to be judged anew",
		Long: "Redrive shows the messages in the stack's dead-letter queue: what each is about, since when, and what failed. It\n" +
			"then invokes the function that handles such events (detect, sweep, slack or outlets), asynchronously and with the event that\n" +
			"began it, and deletes the message. So everything is judged anew: old events do no harm, and one that is more than six\n" +
			"hours old is reported, and closed only if a statement says existing: revoke. Fix the cause first, or the message comes\n" +
			"back.\n\n" +
			"Without ids it asks; ids choose single messages, and --all takes all without asking. Messages of unknown shape stay,\n" +
			"and it says so. A message that was invoked and could not be deleted does no harm.\n\n" +
			"It needs cloudformation:DescribeStacks and ListStackResources, sqs:GetQueueAttributes, ReceiveMessage, DeleteMessage and\n" +
			"ChangeMessageVisibility, lambda:InvokeFunction, and kms:Decrypt if the queue has a key of yours.\n" +
			"Exit status: 0 all chosen messages were sent back, or there are none, 1 error, or some are left, 2 usage.",
		Example: "  sgward redrive\n" +
			"  sgward redrive --dry-run --stack sgward --region eu-central-1\n" +
			"  sgward redrive --all --quiet",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, ids []string) error { return f.run(cmd.Context(), in, ids) },
	}
	f.outputFlags.add(cmd, report.Text, report.JSON)
	f.awsFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.stack, "stack", stack.DefaultName, stackNameUsage)
	flags.BoolVar(&f.all, "all", false, "send back all messages, without asking")
	flags.BoolVar(&f.dryRun, "dry-run", false, dryRunUsage)
	return cmd
}

// mostAsked is how many messages are shown before the question.
const mostAsked = 20

func (f *redriveFlags) run(ctx context.Context, in Invocation, ids []string) error {
	switch {
	case f.all && len(ids) > 0:
		return usageError("want ids of messages, or --all: one of the two")
	case !f.all && !f.dryRun && len(ids) == 0 && !isInteractive(in):
		return usageError("stdin is not a terminal: pass --all to send back all messages, or the ids of some; --dry-run shows them")
	}
	config, err := f.config(ctx)
	if err != nil {
		return err
	}
	s, err := stack.Find(ctx, awscall.New(config), config.Region, f.stack)
	if err != nil {
		return err
	}
	if s.Changing() {
		fmt.Fprintf(in.Stderr, "Stack %s is being changed (%s): a message may fail again.\n", s.Name, s.Status)
	}
	r, err := redrive.Connect(ctx, config, s)
	if err != nil {
		return err
	}
	visible, taken, err := r.Count(ctx)
	if err != nil {
		return err
	}
	wanted := func(l redrive.Letter) bool { return f.all || slices.Contains(ids, l.ID) }
	switch {
	case f.dryRun:
		return f.show(ctx, in, r, visible, taken, ids)
	case !f.all && len(ids) == 0:
		listed, err := f.ask(ctx, in, r, visible, taken)
		if err != nil || len(listed) == 0 {
			return err
		}
		wanted = func(l redrive.Letter) bool { return listed[l.ID] }
	}
	return f.send(ctx, in, r, visible, taken, ids, wanted)
}

// progress counts letters on the screen.
func (f *redriveFlags) progress(in Invocation, verb string, total int) (count func(redrive.Handled), end func()) {
	var n atomic.Int64
	screen := startScreen(in, f.quiet, func() string {
		return fmt.Sprintf("%s %s of about %s", verb, text.Thousands(n.Load()), text.Plural(max(total, int(n.Load())), "message"))
	})
	return func(redrive.Handled) { n.Add(1) }, screen.end
}

func (f *redriveFlags) printer(in Invocation) *redrive.Printer {
	return &redrive.Printer{Out: f.results(in), JSON: f.format == string(report.JSON)}
}

// show lists the letters.
func (f *redriveFlags) show(ctx context.Context, in Invocation, r *redrive.Redriver, visible, taken int, ids []string) error {
	p := f.printer(in)
	count, end := f.progress(in, "read", visible)
	later, err := r.Show(ctx, func(result redrive.Handled) {
		count(result)
		if len(ids) == 0 || slices.Contains(ids, result.ID) {
			p.Result(result)
		}
	})
	end()
	if err != nil {
		return err
	}
	if !f.quiet {
		f.sum(in, r, p, taken, len(later))
	}
	return p.Err()
}

// sum says how many letters there are.
func (f *redriveFlags) sum(in Invocation, r *redrive.Redriver, p *redrive.Printer, taken, later int) {
	n := p.Count(redrive.Shown)
	if n == 0 && later == 0 {
		f.none(in, r, taken)
		return
	}
	line := text.Plural(n+later, "dead letter") + " in stack " + r.Stack.Name
	if functions := p.Functions(); functions != "" {
		line += ": " + functions
	}
	if kept := p.Count(redrive.Kept); kept > 0 {
		line += fmt.Sprintf("; %d of unknown shape, which stay", kept)
	}
	fmt.Fprintln(in.Stderr, line+".")
}

func (f *redriveFlags) none(in Invocation, r *redrive.Redriver, taken int) {
	if f.quiet {
		return
	}
	fmt.Fprintf(in.Stderr, "No dead letters in stack %s.\n", r.Stack.Name)
	if taken > 0 {
		fmt.Fprintf(in.Stderr, "Another consumer has received %s: they are visible again within minutes, unless they are deleted.\n", text.Plural(taken, "message"))
	}
}

// ask shows the letters, and returns the ids of those to send back.
func (f *redriveFlags) ask(ctx context.Context, in Invocation, r *redrive.Redriver, visible, taken int) (map[string]bool, error) {
	p := &redrive.Printer{Out: in.Stderr, Most: mostAsked}
	listed := map[string]bool{}
	count, end := f.progress(in, "read", visible)
	later, err := r.Show(ctx, func(result redrive.Handled) {
		count(result)
		p.Result(result)
		if result.Unknown == "" {
			listed[result.ID] = true
		}
	})
	end()
	if err != nil {
		return nil, err
	}
	if more := p.Unwritten(); more > 0 {
		fmt.Fprintf(in.Stderr, "and %s more, which --dry-run lists\n", text.Thousands(more))
	}
	f.sum(in, r, p, taken, len(later))
	if len(listed) == 0 {
		return nil, nil //nolint:nilnil // no ids are nothing to do
	}
	return listed, confirm(ctx, in, "Send back "+p.Functions()+"?")
}

// send sends letters back.
func (f *redriveFlags) send(ctx context.Context, in Invocation, r *redrive.Redriver, visible, taken int, ids []string, wanted func(redrive.Letter) bool) error {
	p := f.printer(in)
	found := map[string]bool{}
	count, end := f.progress(in, "handled", visible)
	later, err := r.Send(ctx, wanted, func(result redrive.Handled) {
		count(result)
		p.Result(result)
		if len(ids) > 0 {
			found[result.ID] = true
		}
	})
	end()
	if !f.quiet && (err == nil || p.Count(redrive.Sent) > 0) {
		f.sent(in, r, p, taken, len(later))
	}
	var missing, held []string
	for _, id := range ids {
		switch {
		case found[id]:
		case slices.Contains(later, id):
			held = append(held, id)
		default:
			missing = append(missing, id)
		}
	}
	left := p.Count(redrive.Kept) + p.Count(redrive.Failed) + p.Count(redrive.Undeleted)
	switch {
	case err != nil:
		return errors.Join(err, p.Err())
	case p.Err() != nil:
		return p.Err()
	case len(missing) > 0:
		return fmt.Errorf("no message %s in the dead-letter queue: --dry-run lists their ids", text.Visible(strings.Join(missing, ", ")))
	case len(held) > 0:
		return fmt.Errorf("message %s was sent to the queue after this run began, and stays: run it again", text.Visible(strings.Join(held, ", ")))
	case left == 0 && len(later) > 0 && p.Count(redrive.Sent) == 0:
		return &statusError{StatusError, fmt.Errorf("nothing was sent back: %s arrived after this run began", text.Plural(len(later), "message"))}
	case left > 0:
		return &statusError{StatusError, fmt.Errorf("%s left in the dead-letter queue", text.Plural(left, "message"))}
	default:
		return nil
	}
}

// sent says what was done.
func (f *redriveFlags) sent(in Invocation, r *redrive.Redriver, p *redrive.Printer, taken, later int) {
	n := p.Count(redrive.Sent) + p.Count(redrive.Undeleted)
	if n+p.Count(redrive.Kept)+p.Count(redrive.Failed)+later == 0 {
		f.none(in, r, taken)
		return
	}
	line := "Sent back " + text.Plural(n, "message")
	if n > 0 {
		line += ": " + p.Functions()
	}
	for _, o := range []redrive.Outcome{redrive.Kept, redrive.Failed, redrive.Undeleted} {
		if n := p.Count(o); n > 0 {
			line += fmt.Sprintf("; %s %s", text.Thousands(n), o)
		}
	}
	fmt.Fprintln(in.Stderr, line+".")
	if later > 0 {
		fmt.Fprintf(in.Stderr, "%s arrived meanwhile and %s left: run it again after the cause is fixed.\n", text.Plural(later, "message"), text.Agree(later, "is", "are"))
	}
}
