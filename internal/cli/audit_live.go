package cli

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"sgward/internal/crash"
	"sgward/internal/inventory"
	"sgward/internal/text"
)

// auditSession is the name of the session of an assumed role in CloudTrail.
const auditSession = "sgward-audit"

// auditedAccount is an account whose regions are read.
type auditedAccount struct {
	account
	regions []string
	err     error
}

// fromAWS reads from EC2, and names the accounts and regions.
func (f *auditFlags) fromAWS(ctx context.Context, in Invocation, a *audit) (*inventory.Snapshot, []string, error) {
	all, err := f.accounts(ctx, in, auditSession)
	if err != nil {
		return nil, nil, err
	}
	a.names = map[string]string{}
	accounts := make([]auditedAccount, len(all))
	var workers errgroup.Group
	workers.SetLimit(accountsAtOnce)
	for i := range accounts {
		a.names[all[i].ID] = all[i].Name
		accounts[i].account = all[i]
		workers.Go(func() error {
			defer crash.Exit()
			accounts[i].regions, accounts[i].err = f.resolve(ctx, &accounts[i].account)
			return nil
		})
	}
	_ = workers.Wait() // each account has its own error
	if !f.others() && accounts[0].err != nil {
		return nil, nil, accounts[0].err
	}
	return f.readAccounts(ctx, in, accounts)
}

// readAccounts reads the regions of all readable accounts.
func (f *auditFlags) readAccounts(ctx context.Context, in Invocation, accounts []auditedAccount) (*inventory.Snapshot, []string, error) {
	var places []inventory.Place
	var sources []string
	var early []inventory.Problem
	for _, a := range accounts {
		if a.err != nil {
			sources = append(sources, a.source)
			early = append(early, inventory.Problem{Place: a.source, Text: awsErrorText(a.err)})
			continue
		}
		where := text.Plural(len(a.regions), "region")
		if len(a.regions) == 1 {
			where = a.regions[0]
		}
		label := a.String()
		sources = append(sources, "account "+label+", "+where)
		for _, region := range a.regions {
			places = append(places, inventory.Place{AccountID: a.ID, Account: label, Region: region, API: a.patientEC2(region)})
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
