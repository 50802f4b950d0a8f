package cli

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"sgward/internal/crash"
	"sgward/internal/ec2rules"
	"sgward/internal/inventory"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// groupsAtOnce is the number of groups that are judged before they are written, which
// limits memory.
const groupsAtOnce = 512

// audit judges groups and reports the findings.
type audit struct {
	policy   *policy.Policy
	now      time.Time
	baseline inventory.Baseline // nil without one
	// lines is set for formats that show findings without their groups, which are then not
	// assembled.
	lines bool
	names map[string]string // of accounts, by id
	known int               // findings that are in the baseline
	held  int               // of those, the ones that have not become worse and are not reported
}

// write reports a snapshot, in the order of its groups.
func (a *audit) write(ctx context.Context, s *inventory.Snapshot, w report.Writer) (report.Coverage, error) {
	references := inventory.References(s.Groups)
	read := report.Coverage{Inventory: &report.Inventory{Groups: len(s.Groups), Accounts: slices.Clone(s.Own), Baseline: -1}}
	accounts, regions := map[string]bool{}, map[string]bool{}
	for _, p := range s.Problems {
		read.Problems = append(read.Problems, problemOf(p))
	}
	for chunk := range slices.Chunk(s.Groups, groupsAtOnce) {
		if err := ctx.Err(); err != nil {
			return read, fmt.Errorf("judging groups: %w", err)
		}
		found := a.judge(chunk, s.Lists)
		for i := range chunk {
			g := &chunk[i]
			accounts[g.OwnerID], regions[g.Region] = true, true
			read.Inventory.Rules += len(g.Rules) + len(g.Unread)
			place := nameOf(g)
			for _, why := range g.Unread {
				read.Problems = append(read.Problems, text.Problem{Place: place, Text: why + "; it was not judged"})
			}
			if err := a.writeGroup(s, g, found[i], references, w); err != nil {
				return read, err
			}
		}
	}
	delete(accounts, "")
	delete(regions, "")
	if read.Inventory.Accounts == nil { // the owners of shared groups were not read
		read.Inventory.Accounts = slices.Sorted(maps.Keys(accounts))
	}
	read.Inventory.Regions = slices.Sorted(maps.Keys(regions))
	if a.baseline != nil {
		read.Inventory.Baseline = a.held
	}
	if err := w.Close(read); err != nil {
		return read, err
	}
	return read, nil
}

// problemOf describes a problem for people.
func problemOf(p inventory.Problem) text.Problem {
	if p.Err != nil {
		p.Text = awsErrorText(p.Err)
	}
	return text.Problem{Place: p.Place, Text: p.Text}
}

// judge judges groups on all cores.
func (a *audit) judge(groups []secgroup.Group, lists ec2rules.PrefixLists) [][]inventory.Finding {
	out := make([][]inventory.Finding, len(groups))
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	for i := range groups {
		workers.Go(func() error {
			defer crash.Exit()
			out[i] = inventory.Judge(a.policy, groups[i], lists, a.now)
			return nil
		})
	}
	_ = workers.Wait() // judging does not fail
	return out
}

// writeGroup reports a group that has findings or notes. With a baseline, only new
// findings count, and notes are left out.
func (a *audit) writeGroup(s *inventory.Snapshot, g *secgroup.Group, found []inventory.Finding, references map[string]bool, w report.Writer) error {
	attached, known := s.Attached(g)
	var entries []report.Entry
	for i := range found {
		if _, known := a.baseline[found[i].ID]; known {
			a.known++
		}
		if a.baseline.Holds(&found[i].Finding) {
			a.held++
			continue
		}
		entries = append(entries, report.Entry{Finding: found[i].Finding, AccountName: a.names[g.OwnerID], Attached: attached})
	}
	notes, details := inventory.Notes(g, inventory.Usage{Attached: len(attached), Known: known && !s.RulesMissing, Referenced: references[g.ID]})
	if s.IsShared(g) {
		details = append(details, "account "+g.OwnerID+" shares it: only that account can edit it")
	}
	if len(entries) == 0 && (len(notes) == 0 || a.baseline != nil) {
		return nil
	}
	of := report.Group{
		AccountID: g.OwnerID, AccountName: a.names[g.OwnerID], Region: g.Region, ID: g.ID, Name: g.Name, VPCID: g.VPCID, Description: g.Description,
		Attached: attached, AttachedKnown: known, Notes: append(notes, details...),
	}
	if !a.lines {
		of.Rules = g.Rules
	}
	return w.Group(of, entries)
}

// nameOf returns the group with its place, as far as known.
func nameOf(g *secgroup.Group) string {
	name := g.ID
	if g.Region != "" {
		name = g.Region + " " + name
	}
	if g.OwnerID != "" {
		name = "account " + g.OwnerID + " " + name
	}
	return name
}
