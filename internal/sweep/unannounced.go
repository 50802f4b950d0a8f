package sweep

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sgward/internal/inventory"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

const (
	// announceWithin is how long after a rule was first seen its event may still arrive.
	// CloudTrail delivers most events within five minutes.
	announceWithin = 30 * time.Minute
	// announceMargin is how long before the sweep that missed the rule its event may have
	// been judged: EC2's reads lag behind its writes.
	announceMargin = time.Minute
	// unreadableFor is how long after it was first seen a rule counts as unannounced if
	// detect's log cannot be read: a deleted log group must still produce a report.
	unreadableFor = 6 * time.Hour
	// announceTime limits the reading of announcements.
	announceTime = 2 * time.Minute
	// maxPending limits the rules that wait for their events. That many are noticed anyway.
	maxPending = 500
)

// pendingPrefix begins the ids of pending items. Ids of findings begin otherwise.
const pendingPrefix = "pending-"

// Announcement is an event that detect has judged.
type Announcement struct {
	GroupID string   // "" if the record does not name the group by its id
	RuleIDs []string // those of the event's findings
	// Partial is set if the event has findings that RuleIDs lacks: the record leaves out the
	// rules, or they are too many.
	Partial bool
}

// Announcements are the events that detect has judged.
type Announcements interface {
	// Kept is how long they are kept.
	Kept() time.Duration
	// Since returns those judged from a time on.
	Since(ctx context.Context, from time.Time) ([]Announcement, error)
}

// isPending reports whether the item is about a rule whose event is not known yet.
func (m memo) isPending() bool { return strings.HasPrefix(m.id, pendingPrefix) }

// announcedBy reports whether an event may be that of a pending item's rule.
func (m memo) announcedBy(a Announcement) bool {
	return (a.GroupID == "" || a.GroupID == m.groupID) && (a.Partial || slices.Contains(a.RuleIDs, m.ruleID))
}

// version returns the policy and release of the run. Findings of another version cannot be
// compared with this run's.
func (s *sweep) version() string { return s.Policy.Digest() + " " + s.Release }

// awaited returns the items of rules that were made since the last completed sweep, for
// which a later sweep looks up whether an event has announced them.
func (s *sweep) awaited() []memo {
	if s.Announcements == nil {
		return nil
	}
	var out []memo
	isNew, listed := s.isNew(), map[string]bool{}
	for _, f := range s.found {
		m := memo{id: pendingPrefix + f.ID, groupID: f.GroupID, since: s.last.firstSeen, firstSeen: s.began, lastSeen: s.now}
		_, waits := s.pending[m.id]
		if waits || listed[m.id] || len(out) == maxPending || !isNew(f) {
			continue
		}
		listed[m.id] = true // no id twice
		m.ruleID = f.Rule.ID
		out = append(out, m)
	}
	return out
}

// isNew returns which rules were made since the last completed sweep.
//
// Such a rule is not in the memory, although the last sweep had the same version. It counts
// only if its creation alone can have made it a finding: not time, tags, an edit of a prefix
// list or another rule of its group, and not a rule that AWS makes without an event.
func (s *sweep) isNew() func(*candidate) bool {
	if s.tally.Forgetful != "" || s.last.fingerprint != s.version() {
		return func(*candidate) bool { return false }
	}
	then := map[*secgroup.Group]map[string]bool{}
	return func(f *candidate) bool {
		if _, known := s.known[f.ID]; known || f.group == nil || !isOpening(&f.Finding) || isDefaultEgress(f.Rule.Permission) {
			return false
		}
		forbidden, judged := then[f.group]
		if !judged {
			forbidden = s.forbiddenAt(f.group, s.last.firstSeen)
			then[f.group] = forbidden
		}
		return forbidden[f.ID]
	}
}

// isOpening reports whether a rule is forbidden on its own, by facts that cannot change.
func isOpening(f *inventory.Finding) bool {
	return f.Rule != nil && f.Rule.ID != "" && !f.Undetermined && f.Verdict != policy.Exempt && !f.Union &&
		f.Rule.Permission.Peer.Kind() != secgroup.PrefixListPeerKind
}

// forbiddenAt returns the ids of the findings that the group's rules would have been at a
// time, whatever their tags and its own.
func (s *sweep) forbiddenAt(group *secgroup.Group, at time.Time) map[string]bool {
	g := *group
	g.Tags, g.TagsKnown = nil, false
	g.Rules = slices.Clone(g.Rules)
	for i := range g.Rules {
		g.Rules[i].Tags = nil // the tag for the end may have been set at any time
	}
	out := map[string]bool{}
	for _, f := range inventory.Judge(s.Policy, g, s.lists, at) {
		if isOpening(&f) {
			out[f.ID] = true
		}
	}
	return out
}

// isDefaultEgress reports whether a rule is of those that CreateSecurityGroup makes: no
// Authorize event announces them.
func isDefaultEgress(p secgroup.Permission) bool {
	return p.Direction == secgroup.Egress && p.Protocol == secgroup.AllProtocols &&
		(p.Peer.CIDR() == netip.PrefixFrom(netip.IPv4Unspecified(), 0) || p.Peer.CIDR() == netip.PrefixFrom(netip.IPv6Unspecified(), 0))
}

// checkPending looks up the events of rules that have waited long enough, and returns the
// items that are settled. Rules that no event has announced are counted by a metric; those
// that are still there get into the digest.
func (s *sweep) checkPending(ctx context.Context) (settled []string) {
	var due []memo
	for _, id := range slices.Sorted(maps.Keys(s.pending)) {
		switch m := s.pending[id]; {
		case s.now.Sub(m.firstSeen) < announceWithin:
		case s.Announcements == nil || s.now.Sub(m.since) > s.Announcements.Kept():
			settled = append(settled, id) // it cannot be known any more
			s.Logger.WarnContext(ctx, "announcement unknown", "groupId", m.groupID, "securityGroupRuleId", m.ruleID)
		default:
			due = append(due, m)
		}
	}
	if len(due) == 0 {
		return settled
	}
	from := due[0].since
	for _, m := range due {
		if m.since.Before(from) {
			from = m.since
		}
	}
	bounded, cancel := context.WithTimeout(ctx, announceTime)
	defer cancel()
	events, err := s.Announcements.Since(bounded, from.Add(-announceMargin))
	if err != nil { // the next sweep asks again
		s.Logger.ErrorContext(ctx, "announcements not read", "rules", len(due), "error", err.Error())
		due = slices.DeleteFunc(due, func(m memo) bool { return s.now.Sub(m.firstSeen) < unreadableFor })
		s.tally.EventsUnread = len(due) > 0
	}
	still := map[string]*candidate{}
	for _, f := range s.found {
		still[pendingPrefix+f.ID] = f
	}
	unannounced := 0
	for _, m := range due {
		settled = append(settled, m.id)
		if slices.ContainsFunc(events, m.announcedBy) {
			continue
		}
		unannounced++
		f := still[m.id]
		s.Logger.WarnContext(ctx, "opening not announced", "groupId", m.groupID, "securityGroupRuleId", m.ruleID,
			"after", m.since, "seen", m.firstSeen, "gone", f == nil)
		if f == nil || f.outcome == "" {
			s.tally.UnannouncedGone++
			continue
		}
		f.isUnannounced = true
	}
	if unannounced > 0 {
		s.Count(ctx, MetricUnannounced, unannounced)
	}
	return settled
}
