package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/inventory"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// Why an event must be retried, or cannot be handled.
var (
	errUnsettled = errors.New("EC2 has not finished the edit, so a rule that is safe now may be forbidden afterwards")
	errElsewhere = errors.New("the event is of another region than this function")
)

// Changed judges every rule of the account that uses an edited prefix list, and reports
// those that are now forbidden.
//
//   - account is the account of EC2's credentials, "" if unknown.
//   - The Detection has decision revoke and names the rules for remediate to close, at most
//     MaxRevokes, which the alert leaves out; or its decision is none.
//   - An error means that the change must be retried. An alert with the same id may have
//     been sent.
func (s *Sweeper) Changed(ctx context.Context, account string, change cloudtrail.Call) (finding.Detection, error) {
	out := finding.NewDetection(s.Policy, change.Event, finding.SourcePrefixListEdit)
	log := s.Logger.With("eventId", change.EventID, "eventName", change.EventName)
	if change.List == nil {
		log.InfoContext(ctx, "nothing to judge", "reason", change.Skipped)
		return out, nil
	}
	log = log.With("prefixListId", change.List.ID)
	switch {
	case change.Region != s.Region:
		return out, fmt.Errorf("judging %s: %w", change.List.ID, errElsewhere)
	case change.List.ID == "":
		return out, s.publish(ctx, s.alert(change.Event, []finding.Result{unnamed(change)}))
	}
	out.PrefixListID = change.List.ID
	out.PrefixListAdded = change.List.Added[:min(len(change.List.Added), finding.MaxPrefixListAdded)]
	acting, cancel := remediation.KeepReserve(ctx, alertReserve)
	defer cancel()
	e, err := s.readEdit(acting, account, change)
	if err != nil {
		return out, err
	}
	chosen := s.limit(settle(e.found, e.unsure))
	log.InfoContext(ctx, "list edit judged", "rules", e.rules, "toClose", len(chosen), "settled", e.current.settled)
	out.PrefixListVersion = e.from
	out.Findings = s.handOver(chosen)
	if err := e.report(ctx); err != nil {
		return out, err
	}
	if len(out.Findings) > 0 {
		out.Verdict = policy.Revoke
	}
	return out, nil
}

// edit is the state of one run over the rules that use an edited list.
type edit struct {
	*Sweeper
	change  cloudtrail.Call
	current list // as EC2 shows it
	now     time.Time
	rules   int // that use the list
	found   []*candidate
	others  *ec2rules.Lists // other than the edited one
	// from is the version that the call edited, and versions has the entries before and after;
	// 0 and the zero value if the list's rules count as existing ones.
	from     int64
	versions remediation.ListEdit
	// users is the finding about other accounts that use a list which is the world now.
	users *finding.Result
}

// readEdit reads and judges all rules that use the edited list.
func (s *Sweeper) readEdit(ctx context.Context, account string, change cloudtrail.Call) (*edit, error) {
	e := &edit{Sweeper: s, change: change, others: ec2rules.NewLists(s.EC2)}
	var err error
	if e.current, err = s.readList(ctx, change); err != nil {
		return nil, err
	}
	if err := e.readVersions(ctx); err != nil {
		return nil, err
	}
	e.users = e.readUsers(ctx, cmp.Or(account, change.AccountID))
	if err := s.waitUntilAge(ctx, change.EventTime, remediation.SettleAge); err != nil {
		return nil, err
	}
	ids, err := ec2rules.GroupsUsing(ctx, s.EC2, account, change.List.ID)
	if err != nil {
		return nil, err
	}
	groups, undescribed, err := ec2rules.GroupsByID(ctx, s.EC2, s.Region, ids)
	if err != nil {
		return nil, err
	}
	if undescribed != nil { // name, VPC and tags stay unknown
		s.Logger.WarnContext(ctx, "groups not described", "errorCode", ec2rules.ErrorCode(undescribed), "error", undescribed.Error())
	}
	e.now = s.Now()
	for _, g := range groups {
		if len(g.Unread) > 0 {
			return nil, fmt.Errorf("reading the rules of %s: %s", g.ID, g.Unread[0])
		}
		g.OwnerID = cmp.Or(g.OwnerID, account, change.AccountID)
		if err := e.judge(ctx, g); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// readVersions reads the list before the call and right after it, to tell the rules that
// the call took across the threshold from existing ones. Rules count as existing if the
// event is old, or EC2 has not finished the edit.
func (e *edit) readVersions(ctx context.Context) error {
	if !e.current.settled || remediation.IsOld(e.change.Event, e.Now()) {
		return nil
	}
	// If the record lacks it, the last version shown was made by this call or a later one.
	e.from = cmp.Or(e.change.List.FromVersion, max(e.current.version-1, 0))
	var err error
	e.versions, err = remediation.ReadListEdit(ctx, e.EC2, e.change.List.ID, e.from)
	return err
}

// judge judges the rules of a group that use the list together, with the group's other
// rules. The event's actor made the openings of the edit; the makers of other rules are
// unknown.
func (e *edit) judge(ctx context.Context, g secgroup.Group) error {
	req := finding.RequestOfGroup(g, map[string]secgroup.PrefixList{}, e.now)
	req.Rules, req.Standing = remediation.SplitByList(g.Rules, e.change.List.ID)
	if len(req.Rules) == 0 {
		return nil
	}
	e.rules += len(req.Rules)
	var notes []string
	if e.current.known {
		req.PrefixLists[e.change.List.ID] = secgroup.PrefixList{OwnerID: e.current.owner, Entries: ec2rules.Ranges(e.current.entries)}
	}
	if e.current.problem != "" {
		notes = append(notes, e.current.problem)
	}
	editor := e.change.Actor.Subject()
	judgements, opened := e.versions.Judge(e.Policy, req, e.change.List.ID, editor)
	if slices.ContainsFunc(judgements, func(j policy.Judgement) bool { return j.Needs&policy.NeedPrefixList != 0 }) {
		more, err := e.readOthers(ctx, req)
		if err != nil {
			return err
		}
		notes = append(notes, more...)
		judgements, opened = e.versions.Judge(e.Policy, req, e.change.List.ID, editor)
	}
	for i, j := range judgements {
		if j.Verdict == policy.Compliant {
			continue
		}
		f := finding.Of(req, i, j, e.change.EventID)
		if !e.current.settled || j.Needs&policy.NeedsOfLists != 0 {
			f.Reasons = append(f.Reasons, policy.Remarks(notes)...)
		}
		e.found = append(e.found, &candidate{opened: opened[i], owner: e.Policy.Owner(&req.Group), Finding: inventory.Finding{
			Finding: f, Held: req.Rules[i], Existing: j.Existing, Undetermined: j.Verdict == policy.Undetermined,
		}})
	}
	return nil
}

// readOthers adds the other lists that its rules reference to a request. notes name those
// that cannot be read.
func (e *edit) readOthers(ctx context.Context, req policy.Request) (notes []string, err error) {
	ids := slices.DeleteFunc(secgroup.PrefixLists(req.Rules, req.Standing), func(id string) bool { return id == e.change.List.ID })
	others, err := e.others.Read(ctx, ids)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.PrefixLists, others.Known)
	return others.Why(ids), nil
}

// unsure says why a rule stays open that would be closed if the list were known, "" if it
// is.
func (e *edit) unsure(*candidate) string {
	switch {
	case e.current.unfinished:
		return "the prefix list is still being edited, and sgward will read it again"
	case !e.current.settled:
		return "the prefix list could not be read"
	default:
		return ""
	}
}

// report publishes the alert, if there is something to report, and returns why the change
// must be retried.
func (e *edit) report(ctx context.Context) error {
	var err error
	if e.current.unfinished && e.rules > 0 {
		err = fmt.Errorf("judging %s: %w", e.change.List.ID, errUnsettled)
	}
	results := resultsOf(e.found)
	if e.users != nil {
		results = append(results, *e.users)
	}
	if !remediation.IsReportable(results) {
		e.Logger.InfoContext(ctx, "no alert", "eventId", e.change.EventID, "rules", len(results))
		return err
	}
	a := e.alert(e.change.Event, results)
	a.PrefixListID = e.change.List.ID
	a.PrefixListEntries = remediation.Entries(e.current.entries, e.change.List.Added)
	a.PrefixListBefore = remediation.Entries(e.versions.Before, nil)
	return errors.Join(err, e.publish(ctx, a))
}

// unnamed returns the result for a change whose record does not name the list.
func unnamed(change cloudtrail.Call) finding.Result {
	return finding.Result{
		Outcome: finding.OutcomeAlerted,
		Finding: finding.Finding{
			ID:      finding.NewID(change.AccountID, change.Region, "", "", change.EventID),
			Verdict: policy.Alert, Severity: policy.High, AccountID: change.AccountID, Region: change.Region,
			Reasons: policy.Remarks([]string{fmt.Sprintf("the record of %s leaves out its parameters, the prefix list too: look at what uses the list that this call edited", change.EventName)}),
		},
	}
}
