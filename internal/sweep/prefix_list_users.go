package sweep

import (
	"context"
	"fmt"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// maxUsers limits how many resources of other accounts an alert names.
const maxUsers = 20

// readUsers reads which other accounts use a list of this account that an edit opened to the
// world: no sgward there receives the edit, and only this account can take the entries out.
// It returns the finding about them, nil for none. If they cannot be read, the finding says
// so; no rule waits for it.
func (e *edit) readUsers(ctx context.Context, account string) *finding.Result {
	isWorld := func(entries []ec2rules.ListEntry) bool { return e.Policy.IsWorld(ec2rules.Ranges(entries)) }
	if !e.current.known || e.current.owner != account || !isWorld(e.current.entries) || isWorld(e.versions.Before) {
		return nil
	}
	uses, err := ec2rules.ListUses(ctx, e.EC2, e.change.List.ID)
	if err != nil {
		e.Logger.WarnContext(ctx, "users of the list not read", "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
		return e.usersResult("the edit opens the prefix list to the world, and which other accounts use it could not be read (" + ec2rules.ErrorText(err) + "): " +
			"no sgward there receives the edit")
	}
	uses = slices.DeleteFunc(uses, func(u ec2rules.ListUse) bool { return u.Owner == account })
	if len(uses) == 0 {
		return nil
	}
	var accounts, resources []string
	for _, u := range uses {
		accounts = append(accounts, u.Owner)
		resources = append(resources, u.Owner+"/"+u.Resource)
	}
	accounts = slices.Compact(accounts)
	return e.usersResult(fmt.Sprintf("the edit opens the prefix list to the world, and %s of %s %s it: %s. "+
		"No sgward there receives the edit, and this one cannot close their rules: take the entries out of the list, or tell the owners",
		text.Plural(len(uses), "resource"), text.Plural(len(accounts), "other account"), text.Agree(len(uses), "uses", "use"),
		text.First(resources, maxUsers, ", ")))
}

// usersResult makes the finding about uses of the list in other accounts.
func (e *edit) usersResult(reason string) *finding.Result {
	c := e.change
	return &finding.Result{
		Outcome: finding.OutcomeAlerted,
		Finding: finding.Finding{
			ID:      finding.NewID(c.AccountID, c.Region, "", c.List.ID, c.EventID),
			Verdict: policy.Alert, Severity: policy.High, AccountID: c.AccountID, Region: c.Region,
			Reasons: policy.Remarks([]string{reason}),
		},
	}
}
