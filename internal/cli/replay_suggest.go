package cli

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"sgward/internal/alert"
	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// mostSuggestions is more than anybody reviews: then the policy should change.
const mostSuggestions = 1000

// suggestions are the exceptions that would leave alone what is still open.
type suggestions struct {
	policy     *policy.Policy
	now        time.Time
	seen       map[string]bool // exceptions, as text
	entries    []string
	dataStores int // open to the world: they get none
	others     int // of which the rule is not known, or too many
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
	if e.ClosedAt != nil || e.Verdict == policy.Exempt || e.Verdict == policy.Compliant {
		return
	}
	if e.Rule == nil || e.Verdict != policy.Revoke && e.Verdict != policy.Alert {
		s.others++ // EC2 would have to be read
		return
	}
	// The exception's days count from now, whenever the rule was made.
	entry := alert.Exception(cloudtrail.Event{EventTime: s.now}, e.Finding)
	switch {
	case s.isOpenDataStore(e):
		s.dataStores++
		return
	case s.seen[entry]: // made again after it was closed
		return
	case entry == "" || len(s.entries) == mostSuggestions:
		s.others++
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
	s.entries = append(s.entries, "  # "+text.Shown(about, 200)+"\n"+entry)
}

// isOpenDataStore reports whether a rule lets the world reach a data store, alone or with
// others.
func (s *suggestions) isOpenDataStore(e *report.Entry) bool {
	p := e.Rule.Permission
	if p.Direction == secgroup.Egress || !p.ReachesDataStore() {
		return false
	}
	// Of a prefix list it is not known what it holds.
	return len(e.With) > 0 || p.Peer.Kind() != secgroup.CIDRPeerKind && p.Peer.Kind() != secgroup.GroupPeerKind ||
		p.Peer.Kind() == secgroup.CIDRPeerKind && s.policy.IsWorld([]netip.Prefix{p.Peer.CIDR()})
}

// write writes the file, if there is something to write, and says what is in it.
func (s *suggestions) write(in Invocation, name string, quiet bool) error {
	said := "no exception is needed: " + text.Visible(name) + " is not written"
	if len(s.entries) > 0 {
		var b strings.Builder
		fmt.Fprintf(&b, "# What %s is against and was still open on %s. For each of them: close it, or fill in\n"+
			"# reason and owner, check that it says no more than it should, and move it under exceptions: in your policy.\n"+
			"# The policy does not load before. They end after 30 days, so that somebody looks again.\nexceptions:\n",
			text.Shown(s.policy.File(), 100), s.now.Format(time.DateOnly))
		for _, entry := range s.entries {
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
		said = fmt.Sprintf("wrote %s to %s, to be reviewed: fill in reasons and owners", text.Plural(len(s.entries), "exception"), text.Visible(name))
	}
	if s.dataStores > 0 {
		said += fmt.Sprintf("; %s of data stores to the world %s none", text.Plural(s.dataStores, "opening"), getOrGets(s.dataStores))
	}
	if s.others > 0 {
		said += fmt.Sprintf("; %s more %s none: the rule is not known", text.Plural(s.others, "finding"), getOrGets(s.others))
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
