package doctor

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"sgward/internal/crash"
)

const (
	// accountsAtOnce limits the accounts that are examined at the same time. AWS throttles
	// each of them on its own.
	accountsAtOnce = 8
	// regionsAtOnce limits the regions of one account that are examined at the same time.
	regionsAtOnce = 4
)

// Account is an account to examine. AWS and Open are required.
type Account struct {
	ID, Name string // "" if not known
	AWS      aws.Config
	// Open returns the account's id, "" if each examination is to ask for it, and the regions
	// to examine. It is called once.
	Open func(context.Context) (id string, regions []string, err error)
}

// Progress receives the progress of ExamineAll. Its methods may be called from any goroutine.
type Progress interface {
	Region()  // a region is done
	Account() // an account is done, with its regions
}

// ExamineAll examines the stacks of one name in all regions of some accounts, many at once.
// The AWS and AccountID of cfg are those of the accounts. It returns a report for each
// region, in the order of the accounts and their regions, and one without a region for an
// account that cannot be opened. A report that could not be made has an Err; the others go on.
func ExamineAll(ctx context.Context, accounts []Account, cfg Config, progress Progress) []*Report {
	reports := make([][]*Report, len(accounts))
	var running errgroup.Group
	running.SetLimit(accountsAtOnce)
	for i := range accounts {
		running.Go(func() error {
			defer crash.Exit()
			reports[i] = accounts[i].examine(ctx, cfg, progress)
			progress.Account()
			return nil
		})
	}
	_ = running.Wait() // each report has its own error
	var out []*Report
	for _, r := range reports {
		out = append(out, r...)
	}
	return out
}

// examine examines the regions of one account.
func (a *Account) examine(ctx context.Context, cfg Config, progress Progress) []*Report {
	id, regions, err := a.Open(ctx)
	if err != nil {
		return []*Report{{AccountID: a.ID, AccountName: a.Name, Err: err}}
	}
	cfg.AccountID = id
	reports := make([]*Report, len(regions))
	var running errgroup.Group
	running.SetLimit(regionsAtOnce)
	for i, region := range regions {
		running.Go(func() error {
			defer crash.Exit()
			there := cfg
			there.AWS = a.AWS.Copy()
			there.AWS.Region = region
			reports[i] = Examine(ctx, there)
			reports[i].AccountName = a.Name
			progress.Region()
			return nil
		})
	}
	_ = running.Wait()
	return reports
}
