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

// account is where a command works, as whom, and by which policy.
type account struct {
	client *ec2.Client
	id     string
	region string
	actor  policy.Actor
	policy *policy.Policy
}

// connect reads the policy, makes the client and learns whose credentials it has.
func (f *groupFlags) connect(ctx context.Context) (account, error) {
	p, err := readPolicy(f.policy)
	if err != nil {
		return account{}, &statusError{StatusUsage, err}
	}
	config, err := f.config(ctx)
	if err != nil {
		return account{}, err
	}
	a := account{client: ec2.NewFromConfig(config), region: config.Region, policy: p}
	a.id, a.actor, err = authorize.Caller(ctx, sts.NewFromConfig(config))
	if f.actor != "" {
		a.actor = policy.Actor{Known: true, ARN: f.actor}
	}
	return a, err
}

// owning names this account as the owner of a referenced group that has none yet.
func (a account) owning(peer secgroup.Peer) secgroup.Peer {
	if id, owner := peer.Group(); id != "" && owner == "" {
		return secgroup.GroupPeer(id, a.id)
	}
	return peer
}

// settableTags reads the tags for what is made.
func (f *groupFlags) settableTags() ([]secgroup.Tag, error) {
	out, err := readTags("--tag", f.tags)
	if err != nil {
		return nil, err
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
func (a account) judge(ctx context.Context, g secgroup.Group, rules []secgroup.Rule) ([]finding.Finding, bool, error) {
	judged, err := authorize.Judge(ctx, a.client, a.policy, g, rules, a.actor, time.Now())
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
func (f *groupFlags) put(ctx context.Context, a account, g secgroup.Group, rules []secgroup.Rule, out *groupResult) {
	for _, r := range authorize.Put(ctx, a.client, g, rules, f.dryRun) {
		kind := map[authorize.Outcome]changeKind{
			authorize.Made: changeMade, authorize.There: changeThere, authorize.WouldMake: changeWouldMake, authorize.Failed: changeFailed,
		}[r.Outcome]
		out.note(kind, r.Rule, strings.Join(r.Differs, "; "), r.Err)
	}
}

// errFailed ends a command of which some did not work; the result says what.
var errFailed = errors.New("not all is done: see above; running this again goes on where it stopped")
