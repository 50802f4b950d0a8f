package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"sgward/internal/authorize"
	"sgward/internal/finding"
	"sgward/internal/inventory"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
)

func groupCommand(in Invocation) *cobra.Command {
	return group("group", "Make compliant security groups and rules", groupCreateCommand(in), groupAllowCommand(in))
}

// groupFlags are those of every command that makes rules in a group.
type groupFlags struct {
	awsFlags
	outputFlags
	policy, actor string
	tags          []string
	dryRun        bool
}

func (f *groupFlags) add(cmd *cobra.Command) {
	f.outputFlags.add(cmd, report.Text, report.JSON)
	f.awsFlags.add(cmd)
	policyFlag(cmd, &f.policy)
	flags := cmd.Flags()
	flags.StringVar(&f.actor, "actor", "", actorUsage)
	flags.StringArrayVar(&f.tags, "tag", nil, "tag for what is made, KEY=VALUE (repeats)")
	flags.BoolVar(&f.dryRun, "dry-run", false, dryRunUsage)
}

// account is where a command works, and as whom.
type account struct {
	client *ec2.Client
	id     string
	region string
	actor  policy.Actor
}

// connect makes the client and learns whose credentials it has.
func (f *groupFlags) connect(ctx context.Context) (account, error) {
	config, err := f.config(ctx)
	if err != nil {
		return account{}, err
	}
	a := account{client: ec2.NewFromConfig(config), region: config.Region}
	a.id, a.actor, err = authorize.Caller(ctx, sts.NewFromConfig(config))
	if f.actor != "" {
		a.actor = policy.Actor{Known: true, ARN: f.actor}
	}
	return a, err
}

// readTags reads KEY=VALUE.
func (f *groupFlags) readTags() ([]secgroup.Tag, error) {
	var out []secgroup.Tag
	for _, tag := range f.tags {
		key, value, ok := strings.Cut(tag, "=")
		if !ok || key == "" {
			return nil, usageError("--tag %q: want KEY=VALUE", tag)
		}
		out = append(out, secgroup.Tag{Key: key, Value: value})
	}
	if len(authorize.Settable(out)) < len(out) {
		return nil, usageError("--tag: keys that begin with aws: are for AWS to set")
	}
	if err := authorize.CheckTags(out); err != nil {
		return nil, usageError("--tag: %w", err)
	}
	return out, nil
}

// judge returns what the policy makes of rules in a group, and whether it has
// nothing against any of them.
func (f *groupFlags) judge(ctx context.Context, p *policy.Policy, a account, g inventory.Group, rules []secgroup.Rule) ([]finding.Finding, bool, error) {
	judged, err := authorize.Judge(ctx, a.client, p, g, rules, a.actor, time.Now())
	if err != nil {
		return nil, false, err
	}
	for _, j := range judged {
		if !authorize.Allowed(j) {
			return judged, false, nil
		}
	}
	return judged, true, nil
}

// put makes rules and notes what became of each.
func (f *groupFlags) put(ctx context.Context, a account, g inventory.Group, rules []secgroup.Rule, out *groupResult) {
	for _, r := range authorize.Put(ctx, a.client, g, rules, f.dryRun) {
		kind := map[authorize.Outcome]changeKind{
			authorize.Made: changeMade, authorize.There: changeThere, authorize.WouldMake: changeWouldMake, authorize.Failed: changeFailed,
		}[r.Outcome]
		out.note(kind, r.Rule, strings.Join(r.Differs, "; "), r.Err)
	}
}

// errFailed ends a command of which some did not work; the result says what.
var errFailed = errors.New("not all is done: see above; running this again goes on where it stopped")
