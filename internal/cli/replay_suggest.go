package cli

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"sgward/internal/alert"
	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// mostSuggestions is more than a person reviews: then the policy should change.
const mostSuggestions = 1000

// suggestions are exceptions for the openings that are still open.
type suggestions struct {
	policy  *policy.Policy
	now     time.Time
	seen    map[string]bool // exceptions, as text
	entries []suggestion
	// open holds the ranges that open rules admit to guarded ports, by group and traffic:
	// together they may be the world, although each exception covers less.
	open    map[place]map[secgroup.Permission][]netip.Prefix
	guarded int // openings of guarded ports to the world: they get none
	unknown int // openings whose rule is not known
	tooMany int
}

// suggestion is an exception that may be written.
type suggestion struct {
	text    string
	guarded bool // then place and traffic say where
	place   place
	traffic secgroup.Permission
}

// place is a group.
type place struct{ account, region, group string }

// trafficOf returns protocol and ports of a permission alone.
func trafficOf(p secgroup.Permission) secgroup.Permission {
	return secgroup.Permission{Protocol: p.Protocol, Ports: p.Ports}
}

// watch returns a writer that passes all on to another.
func (s *suggestions) watch(w report.Writer) report.Writer { return &watcher{w, s} }

type watcher struct {
	report.Writer

	*suggestions
}

// Entry implements report.Writer.
func (w *watcher) Entry(e report.Entry) error {
	w.see(&e)
	return w.Writer.Entry(e)
}

// see adds an opening that is still there and not excepted.
func (s *suggestions) see(e *report.Entry) {
	if e.ClosedAt != nil || e.Verdict == policy.Compliant {
		return
	}
	guarded := e.Rule != nil && s.isGuarded(e.Rule.Permission)
	next := suggestion{guarded: guarded}
	if guarded {
		next.place, next.traffic = place{e.AccountID, e.Region, e.GroupID}, trafficOf(e.Rule.Permission)
		s.add(next.place, next.traffic, e.Rule.Permission.Peer)
	}
	if e.Verdict == policy.Exempt {
		return
	}
	if e.Rule == nil || e.Verdict != policy.Revoke && e.Verdict != policy.Alert {
		s.unknown++ // EC2 would have to be read
		return
	}
	// The exception's days count from now, whenever the rule was made.
	entry := alert.Exception(cloudtrail.Event{EventTime: s.now}, e.Finding)
	switch {
	case guarded && s.isWorld(e):
		s.guarded++
		return
	case s.seen[entry]: // made again after it was closed
		return
	case entry == "":
		s.unknown++
		return
	case len(s.entries) == mostSuggestions:
		s.tooMany++
		return
	}
	s.seen[entry] = true
	about := e.Rule.Permission.Title() + ": " + e.StatementID
	if e.GroupName != "" {
		about += ", group " + e.GroupName
	}
	if e.Event != nil {
		about += ", made " + e.Event.EventTime.UTC().Format(time.DateOnly) + " by " + e.Event.Actor.ARN
	}
	next.text = "  # " + text.Shown(about, 200) + "\n" + entry
	s.entries = append(s.entries, next)
}

// isGuarded reports whether traffic may reach a data store, or a port that the policy closes
// to the world: no exception may open it to the world.
func (s *suggestions) isGuarded(p secgroup.Permission) bool {
	return p.Direction != secgroup.Egress && (p.ReachesDataStore() || s.policy.RevokesFromWorld(p))
}

// isWorld reports whether a rule admits the world, alone or with other rules that the judge
// knows.
func (s *suggestions) isWorld(e *report.Entry) bool {
	peer := e.Rule.Permission.Peer
	// The entries of a prefix list are not known.
	return len(e.With) > 0 || peer.Kind() != secgroup.CIDRPeerKind && peer.Kind() != secgroup.GroupPeerKind ||
		peer.Kind() == secgroup.CIDRPeerKind && s.policy.IsWorld([]netip.Prefix{peer.CIDR()})
}

// add notes the range that an open rule admits.
func (s *suggestions) add(at place, t secgroup.Permission, peer secgroup.Peer) {
	if peer.Kind() != secgroup.CIDRPeerKind {
		return
	}
	if s.open[at] == nil {
		s.open[at] = map[secgroup.Permission][]netip.Prefix{}
	}
	if !slices.Contains(s.open[at][t], peer.CIDR()) {
		s.open[at][t] = append(s.open[at][t], peer.CIDR())
	}
}

// chosen returns the exceptions that do not open a guarded port to the world together with
// the other open rules of their group. The others are counted.
func (s *suggestions) chosen() (out []string) {
	type key struct {
		place   place
		traffic secgroup.Permission
	}
	worlds := map[key]bool{}
	for _, e := range s.entries {
		if !e.guarded {
			out = append(out, e.text)
			continue
		}
		k := key{e.place, e.traffic}
		world, known := worlds[k]
		if !known {
			var ranges []netip.Prefix
			for t, held := range s.open[e.place] {
				if t.SharesTraffic(e.traffic) {
					ranges = append(ranges, held...)
				}
			}
			world = s.policy.IsWorld(ranges)
			worlds[k] = world
		}
		if world {
			s.guarded++
		} else {
			out = append(out, e.text)
		}
	}
	return out
}

// write writes the file, if there are exceptions, and prints their number.
func (s *suggestions) write(in Invocation, name string, quiet bool) error {
	said := "there is no exception to write: " + text.Visible(name) + " is not written"
	entries := s.chosen()
	if len(entries) > 0 {
		var b strings.Builder
		fmt.Fprintf(&b, "# Openings that violate %s and were still open on %s. Close each of them, or fill in\n"+
			"# reason and owner, check that the exception is no wider than it should be, and move it under exceptions: in your policy.\n"+
			"# The policy does not load until then. They end after 30 days, so that they are reviewed again.\nexceptions:\n",
			text.Shown(s.policy.File(), 100), s.now.Format(time.DateOnly))
		for _, entry := range entries {
			b.WriteString(entry)
		}
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it is for the owner's umask to protect
		if err == nil {
			_, err = file.WriteString(b.String())
			if closed := file.Close(); err == nil {
				err = closed
			}
		}
		if err != nil {
			return fmt.Errorf("--suggest: %w", err)
		}
		said = fmt.Sprintf("wrote %s to %s, to be reviewed: fill in reasons and owners", text.Plural(len(entries), "exception"), text.Visible(name))
	}
	if s.guarded > 0 {
		said += fmt.Sprintf("; %s to the world of data stores, or of ports that the policy closes to it, %s none", text.Plural(s.guarded, "opening"), getOrGets(s.guarded))
	}
	if s.unknown > 0 {
		said += fmt.Sprintf("; %s more %s none: the rule is not known", text.Plural(s.unknown, "finding"), getOrGets(s.unknown))
	}
	if s.tooMany > 0 {
		said += fmt.Sprintf("; %s more %s none: that is too many to review, change the policy", text.Plural(s.tooMany, "finding"), getOrGets(s.tooMany))
	}
	if !quiet {
		fmt.Fprintln(in.Stderr, "sgward: "+said)
	}
	return nil
}

func getOrGets(n int) string {
	if n == 1 {
		return "gets"
	}
	return "get"
}
