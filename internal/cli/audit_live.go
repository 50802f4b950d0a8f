package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/errgroup"

	"sgward/internal/caller"
	"sgward/internal/crash"
	"sgward/internal/ec2rules"
	"sgward/internal/inventory"
	"sgward/internal/organization"
	"sgward/internal/text"
)

const (
	// accountsAtOnce limits how many accounts are prepared at a time.
	accountsAtOnce = 8
	// triesOfACall outlasts EC2's throttling of an account that others use too.
	triesOfACall = 10
	// auditSession is the name of the session of an assumed role in CloudTrail.
	auditSession = "sgward-audit"
)

// auditedAccount is an account whose regions are read.
type auditedAccount struct {
	name    string // for people: the ARN of a role, the account's id and name, or one's own account
	id      string
	label   string // its id, with its name if it has one
	config  aws.Config
	regions []string
	err     error
}

// patientEC2 returns a client that outlasts throttling: it counts the throttles of its
// region and slows down. STS, which is asked first, keeps the SDK's few tries, so that a
// wrong endpoint is reported soon.
func (a *auditedAccount) patientEC2(region string) *ec2.Client {
	return ec2.NewFromConfig(a.config, func(o *ec2.Options) {
		o.Region = region
		o.Retryer = retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
			o.StandardOptions = append(o.StandardOptions, func(o *retry.StandardOptions) { o.MaxAttempts = triesOfACall })
		})
	})
}

// fromAWS reads from EC2, and names the accounts and regions.
func (f *auditFlags) fromAWS(ctx context.Context, in Invocation, a *audit) (*inventory.Snapshot, []string, error) {
	if f.region == "" && len(f.regions) > 0 {
		f.region = f.regions[0] // the region in which STS is called
	}
	config, err := f.config(ctx)
	if err != nil {
		return nil, nil, err
	}
	accounts, err := f.accounts(ctx, in, config, a)
	if err != nil {
		return nil, nil, err
	}
	var workers errgroup.Group
	workers.SetLimit(accountsAtOnce)
	for i := range accounts {
		workers.Go(func() error {
			defer crash.Exit()
			accounts[i].err = f.resolve(ctx, &accounts[i])
			return nil
		})
	}
	_ = workers.Wait() // each account has its own error
	if len(f.roles) == 0 && f.organization == "" && accounts[0].err != nil {
		return nil, nil, accounts[0].err
	}
	return f.readAccounts(ctx, in, accounts)
}

// accounts are those of the organisation or of the roles to assume, or one's own.
func (f *auditFlags) accounts(ctx context.Context, in Invocation, config aws.Config, a *audit) ([]auditedAccount, error) {
	if f.organization != "" {
		return f.organizationAccounts(ctx, in, config, a)
	}
	if len(f.roles) == 0 {
		return []auditedAccount{{name: "this account", config: config}}, nil
	}
	client := sts.NewFromConfig(config)
	var out []auditedAccount
	for _, arn := range f.roles {
		if slices.ContainsFunc(out, func(a auditedAccount) bool { return a.name == arn }) {
			continue
		}
		assumed := config.Copy()
		assumed.Credentials = organization.Assumed(client, arn, f.externalID, auditSession)
		out = append(out, auditedAccount{name: arn, config: assumed})
	}
	return out, nil
}

// organizationAccounts are those that Organizations or the file names.
func (f *auditFlags) organizationAccounts(ctx context.Context, in Invocation, config aws.Config, a *audit) ([]auditedAccount, error) {
	org, err := organization.New(ctx, config, organization.Access{Role: f.organization, ExternalID: f.externalID, Session: auditSession})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what was done
	}
	var members []organization.Account
	if f.accountsFile != "" {
		members, err = readAccounts(in, f.accountsFile)
	} else if members, err = org.Accounts(ctx); err != nil {
		err = fmt.Errorf("%s. Only the management account and delegated administrators may list the accounts: name them with --accounts-file", awsErrorText(err))
	}
	if err != nil {
		return nil, err
	}
	var out []auditedAccount
	a.names = map[string]string{}
	for _, member := range members {
		a.names[member.ID] = member.Name
		out = append(out, auditedAccount{name: "account " + member.String(), label: member.String(), config: org.ConfigFor(member, config.Region)})
	}
	return out, nil
}

// readAccounts reads the file of --accounts-file.
func readAccounts(in Invocation, name string) ([]organization.Account, error) {
	if name == "-" {
		return organization.Read("standard input", in.Stdin) //nolint:wrapcheck // it names the line
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the accounts: %w", err)
	}
	accounts, err := organization.Read(name, file)
	return accounts, errors.Join(err, file.Close())
}

// resolve finds the account's id, checks its credentials, and lists the regions to read.
func (f *auditFlags) resolve(ctx context.Context, a *auditedAccount) error {
	if _, err := a.config.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("asking for credentials: %w", err)
	}
	var err error
	if a.id, _, err = caller.Of(ctx, sts.NewFromConfig(a.config)); err != nil {
		return err
	}
	switch {
	case f.allRegions:
		a.regions, err = ec2rules.Regions(ctx, a.patientEC2(a.config.Region))
		return err
	case len(f.regions) > 0:
		a.regions = slices.Compact(slices.Sorted(slices.Values(f.regions)))
	default:
		a.regions = []string{a.config.Region}
	}
	return nil
}

// readAccounts reads the regions of all readable accounts.
func (f *auditFlags) readAccounts(ctx context.Context, in Invocation, accounts []auditedAccount) (*inventory.Snapshot, []string, error) {
	var places []inventory.Place
	var sources []string
	var early []inventory.Problem
	for _, a := range accounts {
		if a.err != nil {
			sources = append(sources, a.name)
			early = append(early, inventory.Problem{Place: a.name, Text: awsErrorText(a.err)})
			continue
		}
		where := text.Plural(len(a.regions), "region")
		if len(a.regions) == 1 {
			where = a.regions[0]
		}
		label := cmp.Or(a.label, a.id)
		sources = append(sources, "account "+label+", "+where)
		for _, region := range a.regions {
			places = append(places, inventory.Place{AccountID: a.id, Account: label, Region: region, API: a.patientEC2(region)})
		}
	}
	var regions, groups atomic.Int64
	screen := startScreen(in, f.quiet, func() string {
		return fmt.Sprintf("%d of %s, %s", regions.Load(), text.Plural(len(places), "region"), text.Plural(int(groups.Load()), "group"))
	})
	defer screen.end()
	snapshot, err := inventory.ReadLive(ctx, places, func(n int) {
		regions.Add(1)
		groups.Add(int64(n))
	})
	if err != nil {
		return nil, nil, err
	}
	snapshot.Problems = slices.Concat(early, snapshot.Problems)
	return snapshot, sources, nil
}
