// Package policy is the policy language and its judge: Parse compiles a policy
// file, Evaluate says what the policy makes of the rules of one call, with
// reasons. docs/POLICY.md specifies both.
//
// It is a pure function of its arguments: it reads no clock, network,
// environment or log, does not act, and refuses to guess. What is not known makes
// a verdict undetermined, never compliant and never revoke.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"go4.org/netipx"

	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Policy is a compiled policy: immutable and safe for concurrent use. The zero
// value holds no statement and leaves everything undetermined; Parse makes one that
// says something.
type Policy struct {
	file       string
	digest     string
	statements []statement
	exceptions []exception
}

// effect is what a statement asks for, from weakest to strongest.
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
	covering  bool // the rule must cover all of traffic, not only touch it
	peer      peerMatcher
	when      scope
	unless    scope
}

// peerKind is what a statement says of the peer.
type peerKind uint8

const (
	anyPeer          peerKind = iota + 1 // every peer
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
	words string        // how reasons name it, such as "the world"
}

// exception is one compiled exception. It covers a rule if every part that is set
// covers it.
type exception struct {
	id, reason, owner string
	line              int
	lastDay           string    // YYYY-MM-DD
	ends              time.Time // 24:00 UTC of that day
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

// Digest returns "sha256:" and the hex digest of the file that was parsed.
func (p *Policy) Digest() string { return p.digest }

// File returns the name under which the policy was parsed.
func (p *Policy) File() string { return p.file }

// expiryNotice is how long before its end an exception is warned of.
const expiryNotice = 14 * 24 * time.Hour

// Warnings returns what is sound but needs attention at the given time:
// exceptions that have expired or will within 14 days. None keeps a policy from
// loading.
func (p *Policy) Warnings(now time.Time) Problems {
	var out Problems
	for _, x := range p.exceptions {
		switch {
		case !now.Before(x.ends):
			out = append(out, Problem{p.file, x.line, "exception " + x.id + " expired on " + x.lastDay + " and no longer applies: remove it, or agree on a new date with " + x.owner})
		case !now.Add(expiryNotice).Before(x.ends):
			out = append(out, Problem{p.file, x.line, "exception " + x.id + " expires on " + x.lastDay + ": " + x.owner + " should close the rule it covers or agree on a new date"})
		}
	}
	return out
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Summary says in one line what the policy holds.
func (p *Policy) Summary() string {
	return fmt.Sprintf("%s, %s", text.Plural(len(p.statements), "statement"), text.Plural(len(p.exceptions), "exception"))
}
