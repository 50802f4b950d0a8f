package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"sgward/internal/awsid"
	"sgward/internal/caller"
	"sgward/internal/ec2rules"
	"sgward/internal/organization"
)

const (
	// accountsAtOnce limits how many accounts are prepared at a time.
	accountsAtOnce = 8
	// triesOfACall outlasts EC2's throttling of an account that others use too.
	triesOfACall = 10
)

// accountFlags are the flags of the commands that read several accounts and regions.
type accountFlags struct {
	awsFlags
	regions, roles []string
	allRegions     bool
	externalID     string
	organization   string // the role to assume in each account
	accountsFile   string
}

func (f *accountFlags) add(cmd *cobra.Command) {
	f.awsFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.regions, "regions", nil, "read these regions (repeats)")
	offer(cmd, "regions", regionNames()...)
	flags.BoolVar(&f.allRegions, "all-regions", false, "read every region that the account has enabled")
	flags.StringSliceVar(&f.roles, "assume-role", nil, "read the accounts of these roles, by ARN (repeats)")
	flags.StringVar(&f.externalID, "external-id", "", "external id that the roles require")
	flags.StringVar(&f.organization, "organization", "", "read all accounts of the organization, by the role of this name in each")
	flags.StringVar(&f.accountsFile, "accounts-file", "", "with --organization: read the accounts in this file, an id and a name on each line (- for standard input)")
	offerFiles(cmd, "accounts-file", "txt", "csv")
}

// others reports whether other accounts than one's own are read.
func (f *accountFlags) others() bool { return f.organization != "" || len(f.roles) > 0 }

// areSet reports whether a flag chooses accounts or regions.
func (f *accountFlags) areSet() bool {
	return f.others() || f.allRegions || len(f.regions) > 0 || f.externalID != "" || f.accountsFile != ""
}

// roleForm matches the ARN of a role that can be assumed.
var roleForm = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]+$`)

// roleNameForm matches a role's name with its path.
var roleNameForm = regexp.MustCompile(`^/?([\w+=,.@-]+/)*[\w+=,.@-]{1,64}$`)

// check refuses flags that contradict each other or lack their form.
func (f *accountFlags) check() error {
	switch {
	case f.allRegions && len(f.regions) > 0:
		return usageError("--all-regions and --regions: want one of them")
	case f.region != "" && len(f.regions) > 0:
		return usageError("--region and --regions: want one of them")
	case f.organization != "" && len(f.roles) > 0:
		return usageError("--organization and --assume-role: want one of them")
	case f.accountsFile != "" && f.organization == "":
		return usageError("--accounts-file is for --organization, which names the role to assume in each account")
	case f.externalID != "" && !f.others():
		return usageError("--external-id is for --assume-role and --organization")
	case f.organization != "" && !roleNameForm.MatchString(f.organization):
		return usageError("--organization %q: want the name of a role that stands in every account, with its path if it has one, such as security/audit", f.organization)
	}
	if err := checkRegion(f.region); err != nil {
		return err
	}
	for _, region := range f.regions {
		if !awsid.IsRegion(region) {
			return usageError("--regions %q: want regions such as eu-central-1,us-east-1", region)
		}
	}
	for _, arn := range f.roles {
		if !roleForm.MatchString(arn) {
			return usageError("--assume-role %q: want the ARN of a role such as arn:aws:iam::123456789012:role/audit", arn)
		}
	}
	return nil
}

// account is an account that is read.
type account struct {
	organization.Account        // ID is "" if nothing has named it yet
	source               string // for people: the ARN of a role, the account's id and name, or one's own account
	role                 string // the ARN of the role to assume; "" if none
	config               aws.Config
}

// patientEC2 returns a client that outlasts throttling: it counts the throttles of its
// region and slows down. STS, which is asked first, keeps the SDK's few tries, so that a
// wrong endpoint is reported soon.
func (a *account) patientEC2(region string) *ec2.Client {
	return ec2.NewFromConfig(a.config, func(o *ec2.Options) {
		o.Region = region
		o.Retryer = retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
			o.StandardOptions = append(o.StandardOptions, func(o *retry.StandardOptions) { o.MaxAttempts = triesOfACall })
		})
	})
}

// accounts are those of the organization or of the roles to assume, or one's own. session
// names the sessions of the roles in CloudTrail.
func (f *accountFlags) accounts(ctx context.Context, in Invocation, session string) ([]account, error) {
	if f.region == "" && len(f.regions) > 0 {
		f.region = f.regions[0] // the region in which STS is called
	}
	config, err := f.config(ctx)
	if err != nil {
		return nil, err
	}
	if f.organization != "" {
		return f.organizationAccounts(ctx, in, config, session)
	}
	if len(f.roles) == 0 {
		return []account{{source: "this account", config: config}}, nil
	}
	client := sts.NewFromConfig(config)
	var out []account
	for _, arn := range f.roles {
		if slices.ContainsFunc(out, func(a account) bool { return a.source == arn }) {
			continue
		}
		assumed := config.Copy()
		assumed.Credentials = organization.Assumed(client, arn, f.externalID, session)
		out = append(out, account{Account: organization.Account{ID: roleForm.FindStringSubmatch(arn)[1]}, source: arn, role: arn, config: assumed})
	}
	return out, nil
}

// organizationAccounts are those that Organizations or the file names.
func (f *accountFlags) organizationAccounts(ctx context.Context, in Invocation, config aws.Config, session string) ([]account, error) {
	org, err := organization.New(ctx, config, organization.Access{Role: f.organization, ExternalID: f.externalID, Session: session})
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
	var out []account
	for _, member := range members {
		a := account{Account: member, source: "account " + member.String(), config: org.ConfigFor(member, config.Region)}
		if member.ID != org.Own {
			a.role = org.RoleIn(member)
		}
		out = append(out, a)
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

// resolve checks the account's credentials, finds its id, and lists the regions to read.
func (f *accountFlags) resolve(ctx context.Context, a *account) ([]string, error) {
	if _, err := a.config.Credentials.Retrieve(ctx); err != nil {
		return nil, fmt.Errorf("asking for credentials: %w", err)
	}
	id, _, err := caller.Of(ctx, sts.NewFromConfig(a.config))
	if err != nil {
		return nil, err
	}
	a.ID = cmp.Or(a.ID, id)
	if f.allRegions {
		return ec2rules.Regions(ctx, a.patientEC2(a.config.Region))
	}
	return f.named(a), nil
}

// named are the regions of --regions, or the one of the configuration.
func (f *accountFlags) named(a *account) []string {
	if len(f.regions) == 0 {
		return []string{a.config.Region}
	}
	return slices.Compact(slices.Sorted(slices.Values(f.regions)))
}
