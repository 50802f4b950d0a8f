// Package policy is the policy language and its judge: Compile compiles a policy file, and
// Evaluate judges the rules of one call, with reasons. docs/POLICY.md specifies both.
//
// Evaluate is a pure function of its arguments: it reads no clock, network, environment or
// log, and it never guesses. An unknown fact makes a verdict undetermined, never compliant
// and never revoke.
package policy

import (
	"fmt"
	"net/netip"
	"time"

	"go4.org/netipx"

	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Policy is a compiled policy: immutable and safe for concurrent use. The zero value holds
// no statements and leaves every rule undetermined.
type Policy struct {
	file   string
	digest string
	world  width
	// trusted are the accounts whose prefix lists count as this account's own do.
	trusted []string
	// ownerTag is the key of the group tag that names the owner; "" if there is none.
	ownerTag   string
	statements []statement
	exceptions []exception
}

// effect is the effect of a statement, from weakest to strongest.
type effect uint8

const (
	effectIgnore effect = iota + 1
	effectAlert
	effectRevoke
)

func (e effect) String() string {
	return [...]string{"no effect", "ignore", "alert", "revoke"}[e]
}

// statement is one compiled policy entry.
type statement struct {
	id        string
	line      int
	effect    effect
	severity  Severity
	existing  Existing
	direction secgroup.Direction
	traffic   traffic
	covering  bool // the rule must cover all of traffic, not only overlap it
	peer      peerMatcher
	when      scope
	unless    scope
	// For people: see StatementRef.
	description, runbook string
	controls             []string
}

// StatementRef describes a statement for people, in alerts and reports.
type StatementRef struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity,omitempty"` // absent for effect ignore without one
	// Description says why the opening matters: one line, 300 characters at most. Runbook
	// is the https URL of a page that says what to do about it. Controls are controls of
	// standards that it breaks, such as "EC2.19". All three may be empty.
	Description string   `json:"description,omitempty"`
	Runbook     string   `json:"runbook,omitempty"`
	Controls    []string `json:"controls,omitempty"`
}

// Statement returns the statement with an id; ok is false if the policy has none.
func (p *Policy) Statement(id string) (ref StatementRef, ok bool) {
	for i := range p.statements {
		if s := &p.statements[i]; s.id == id {
			return StatementRef{s.id, s.severity, s.description, s.runbook, s.controls}, true
		}
	}
	return StatementRef{}, false
}

// peerKind is the kind of peer that a statement is about.
type peerKind uint8

const (
	anyPeer          peerKind = iota + 1 // every peer
	endedPeer                            // every peer of a temporary rule that has ended
	widePeer                             // reaches at least a width of public addresses
	insidePeer                           // an address range inside a list
	outsidePeer                          // an address range not wholly inside a list
	prefixListPeer                       // one of some prefix lists
	groupPeer                            // one of some referenced groups
	foreignGroupPeer                     // a referenced group of another account
)

type peerMatcher struct {
	kind  peerKind
	width width         // widePeer
	list  *netipx.IPSet // insidePeer, outsidePeer
	ids   []string      // prefixListPeer, groupPeer
	words string        // its name in reasons, such as "the world"
}

// exception is one compiled exception. It covers a rule if every part that is set covers
// it.
type exception struct {
	id, reason, owner string
	line              int
	expires           string    // see ExceptionRef.Expires
	ends              time.Time // it applies before this moment
	direction         secgroup.Direction
	statements        []string
	traffic           traffic       // nil: any
	peers             *netipx.IPSet // nil: not given
	prefixLists       []string
	groups            []string // referenced groups
	scope             scope
}

func (x *exception) namesPeers() bool {
	return x.peers != nil || len(x.prefixLists)+len(x.groups) > 0
}

// Digest returns "sha256:" and the hex digest of the parsed file.
func (p *Policy) Digest() string { return p.digest }

// File returns the name of the parsed file.
func (p *Policy) File() string { return p.file }

// IsWorld reports whether ranges together reach the threshold of the policy's world.
func (p *Policy) IsWorld(ranges []netip.Prefix) bool { return p.world.reached(reachOf(ranges...)) }

// RevokesFromWorld reports whether a statement closes ingress to some of these ports from the
// world, or from so many public addresses, in any group. The permission's peer is ignored.
func (p *Policy) RevokesFromWorld(permission secgroup.Permission) bool {
	points := spanOf(permission)
	for i := range p.statements {
		if s := &p.statements[i]; s.effect == effectRevoke && s.peer.kind == widePeer && s.direction != secgroup.Egress && s.traffic.overlaps(points) {
			return true
		}
	}
	return false
}

// maxTagKey is EC2's limit for the key of a tag, in bytes of one-byte characters.
const maxTagKey = 128

// Owner returns the value of the group's tag that the policy names as owner-tag: who is to
// be told of its openings. It is "" if the policy names none or the group's tags are
// unknown. No verdict depends on it.
func (p *Policy) Owner(g *secgroup.Group) string {
	if p.ownerTag == "" {
		return ""
	}
	owner, _ := secgroup.TagValue(g.Tags, p.ownerTag)
	return owner
}

// expiryNotice is how long before its end an exception is warned about.
const expiryNotice = 14 * 24 * time.Hour

// Warnings returns problems that need attention at the given time: exceptions that have
// expired or will within 14 days, and exceptions that change no verdict. They do not keep a
// policy from loading.
func (p *Policy) Warnings(now time.Time) Problems {
	var out Problems
	for i := range p.exceptions {
		x := &p.exceptions[i]
		if why, idle := p.idle(x); idle {
			out = append(out, Problem{p.file, x.line, "exception " + x.id + " covers nothing: without it no statement forbids or reports " + x.words() + " (" + why + ")"})
		}
		switch {
		case !now.Before(x.ends):
			out = append(out, Problem{p.file, x.line, "exception " + x.id + " expired " + Dated("on", x.expires) + " and no longer applies: remove it, or agree on a new date with " + x.owner})
		case !now.Add(expiryNotice).Before(x.ends):
			out = append(out, Problem{p.file, x.line, "exception " + x.id + " expires " + Dated("on", x.expires) + ": " + x.owner + " should close the rule it covers or agree on a new date"})
		}
	}
	return out
}

// Statements returns the number of statements.
func (p *Policy) Statements() int { return len(p.statements) }

// Exceptions returns the number of exceptions, expired ones included.
func (p *Policy) Exceptions() int { return len(p.exceptions) }

// Summary describes the policy's content in one line.
func (p *Policy) Summary() string {
	return fmt.Sprintf("%s, %s", text.Plural(len(p.statements), "statement"), text.Plural(len(p.exceptions), "exception"))
}
