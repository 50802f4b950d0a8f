// Package outlets passes alerts on to machines: results of findings to a bus of EventBridge,
// and openings to Security Hub.
//
// Both take a finding again without harm. A consumer of events knows a repeat by its id;
// Security Hub has one finding for each opening, which later alerts update.
package outlets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/pause"
	"sgward/internal/text"
)

// Account is an account in a region, where the function runs.
type Account struct {
	ID, Region string
	Partition  text.Partition
}

// NewAccount returns the account in a region. The error names the part that is none.
func NewAccount(id, region string) (Account, error) {
	partition, ok := text.PartitionOf(region)
	switch {
	case !ok:
		return Account{}, fmt.Errorf("%q: want the name of a region", region)
	case !awsid.IsAccount(id):
		return Account{}, fmt.Errorf("%q: want the id of an account", id)
	}
	return Account{ID: id, Region: region, Partition: partition}, nil
}

// Holds reports whether an alert is of this account and region. A topic of several accounts
// brings others too, which their own stacks pass on.
func (a Account) Holds(alert *finding.Alert) bool {
	return alert.Event.Region == a.Region && (alert.Event.AccountID == a.ID || alert.Event.AccountID == "")
}

// groupARN returns the ARN of a finding's group; "" if the finding names none.
func (a Account) groupARN(r *finding.Result) string {
	if r.GroupID == "" {
		return ""
	}
	return a.Partition.ARN("ec2", a.Region, a.owner(r), "security-group/"+r.GroupID)
}

// owner is the account of a finding's group.
func (a Account) owner(r *finding.Result) string {
	if r.AccountID != "" {
		return r.AccountID
	}
	return a.ID
}

// The retries of what a call took in part. Calls that fail as a whole are retried by the
// client.
const (
	attempts   = 4
	firstPause = 200 * time.Millisecond
)

// refusal is an item that a service did not take.
type refusal struct {
	index         int // among the items sent
	code, message string
}

func (r *refusal) Error() string { return r.code + ": " + text.Shown(r.message, maxMessage) }

// deliver sends batches of items, and those that the service did not take again, alone, if
// its code is one of passing. What it never takes does not keep the batches behind it. A call
// that fails as a whole ends it. The error names all that was never taken.
func deliver[T any](ctx context.Context, batches [][]T, passing []string, send func(context.Context, []T) ([]refusal, error)) error {
	var lost []error
	for _, items := range batches {
		wait := firstPause
		for attempt := 1; ; attempt++ {
			refused, err := send(ctx, items)
			if err != nil {
				return errors.Join(append(lost, err)...)
			}
			var again []T
			for _, r := range refused {
				if attempt < attempts && slices.Contains(passing, r.code) && r.index >= 0 && r.index < len(items) {
					again = append(again, items[r.index])
					continue
				}
				lost = append(lost, &r)
			}
			if items = again; len(items) == 0 {
				break
			}
			if err := pause.For(ctx, wait); err != nil {
				return errors.Join(append(lost, err)...)
			}
			wait *= 2
		}
	}
	return errors.Join(lost...)
}

// maxMessage limits a service's words in an error.
const maxMessage = 300
