// Package organization knows the accounts of an AWS organisation and how to get into each:
// by a role of one name, which stands in all of them.
package organization

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"sgward/internal/awscall"
	"sgward/internal/caller"
	"sgward/internal/text"
)

// triesOfACall outlasts the throttling of ListAccounts and AssumeRole, which count all
// callers of an account.
const triesOfACall = 10

// Account is an account of an organisation.
type Account struct {
	ID   string
	Name string // "" if nobody has named it
}

// String names the account for people: "123456789012 (payments)".
func (a Account) String() string {
	if a.Name == "" {
		return a.ID
	}
	return a.ID + " (" + a.Name + ")"
}

// Access says how to get into the accounts. Role is required.
type Access struct {
	// Role is the name of the role to assume in each account, with its path if it has one:
	// "audit", or "security/audit".
	Role       string
	ExternalID string // that the role requires; "" if none
	Session    string // the session's name in CloudTrail
}

// Organization is the organisation that an account is in.
type Organization struct {
	// Own is the id of the account that asks, which needs no role.
	Own string

	access    Access
	config    aws.Config
	partition string
	sts       *sts.Client

	mu          sync.Mutex
	credentials map[string]aws.CredentialsProvider // by account
}

// New identifies the caller of a configuration, by which it also learns the partition. The
// error is STS's.
func New(ctx context.Context, config aws.Config, access Access) (*Organization, error) {
	client := sts.NewFromConfig(config, func(o *sts.Options) { o.RetryMaxAttempts = max(o.RetryMaxAttempts, triesOfACall) })
	own, partition, err := caller.Account(ctx, sts.NewFromConfig(config)) // asked first, with few tries: a wrong endpoint is reported soon
	if err != nil {
		return nil, err
	}
	return &Organization{Own: own, access: access, config: config, partition: partition, sts: client, credentials: map[string]aws.CredentialsProvider{}}, nil
}

// listed is an account as Organizations lists it
// (https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html).
type listed struct {
	ID            string `json:"Id"`
	Name          string
	State, Status string
}

// isActive reports whether an account can be used. State has followed Status, which AWS
// retires.
func (a *listed) isActive() bool { return cmp.Or(a.State, a.Status) == "ACTIVE" }

// Accounts lists the active accounts, in the order of Organizations. Only the management
// account and delegated administrators may ask. The error is that of awscall.
func (o *Organization) Accounts(ctx context.Context) ([]Account, error) {
	config := o.config.Copy()
	config.RetryMaxAttempts = max(config.RetryMaxAttempts, triesOfACall)
	client := awscall.New(config)
	var out []Account
	for in := map[string]string{}; ; {
		var page struct {
			Accounts  []listed
			NextToken string
		}
		if err := client.JSON(ctx, awscall.Organizations, "ListAccounts", in, &page); err != nil {
			return nil, fmt.Errorf("listing the accounts of the organisation: %w", err)
		}
		for i := range page.Accounts {
			if a := &page.Accounts[i]; a.isActive() {
				out = append(out, Account{a.ID, a.Name})
			}
		}
		if page.NextToken == "" {
			return out, nil
		}
		in["NextToken"] = page.NextToken
	}
}

// ConfigFor returns the configuration that calls an account in a region. Its credentials
// are asked for when they are first used. It may be called from any goroutine.
func (o *Organization) ConfigFor(account Account, region string) aws.Config {
	config := o.config.Copy()
	config.Region = region
	if account.ID == o.Own {
		return config
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.credentials[account.ID] == nil {
		o.credentials[account.ID] = Assumed(o.sts, o.RoleIn(account), o.access.ExternalID, o.access.Session)
	}
	config.Credentials = o.credentials[account.ID]
	return config
}

// RoleIn returns the ARN of the role in an account.
func (o *Organization) RoleIn(account Account) string {
	return text.Partition{Name: o.partition}.ARN("iam", "", account.ID, "role/"+strings.TrimPrefix(o.access.Role, "/"))
}

// Assumed returns the credentials of a role, which are renewed before they expire.
func Assumed(client stscreds.AssumeRoleAPIClient, arn, externalID, session string) aws.CredentialsProvider {
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = session
		if externalID != "" {
			o.ExternalID = &externalID
		}
	}))
}
