// Package planned holds the security groups that a Terraform plan or a CloudFormation
// template would leave behind, and judges them by a policy. It reads nothing:
// internal/terraform and internal/template build its groups.
package planned

import (
	"fmt"

	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Location is a place in a plan or template.
type Location struct {
	File string // as the user named it
	Line int    // from 1; 0 where the file has no useful lines, as a plan has none
	// Address names the resource: Terraform's address, or CloudFormation's logical id,
	// behind those of the nested stacks that hold it ("Network/WebIngress").
	Address string
}

// String prints "template.yaml:12 WebIngress".
func (l Location) String() string {
	out := l.File
	if l.Line > 0 {
		out += fmt.Sprintf(":%d", l.Line)
	}
	if l.Address != "" {
		out += " " + l.Address
	}
	return out
}

// Change is the content of one plan or template.
type Change struct {
	Groups []Group
	// Lists are prefix lists as the change leaves them, by the id that rules reference:
	// EC2's id or, for lists that do not exist yet, their address.
	Lists map[string]secgroup.PrefixList
	// Edited are the lists to which the change adds ranges, with what they held before.
	Edited map[string]Edit
	// Unclear are the resources that may open groups in ways that cannot be known.
	Unclear []Unclear
	// Problems are the parts that could not be read.
	Problems []text.Problem
}

// Edit is an edit of a prefix list that exists.
type Edit struct {
	Before   secgroup.PrefixList
	Location Location
}

// Group is a security group with the rules that it will have.
type Group struct {
	// Group is the group as far as it is known. ID is "" for a group that does not exist
	// yet. Rules is not used.
	secgroup.Group
	// Address names the group's resource; "" for a group outside the plan or template.
	Address string
	// Created is set if the change makes the group, so that no policy can name its id.
	Created bool
	// Complete is set if Rules holds every rule that the group will have.
	Complete bool
	Rules    []Rule
}

// Rule is a rule of a group.
type Rule struct {
	secgroup.Rule
	Location Location
	// Standing is set for a rule that exists, and that the change leaves alone.
	Standing bool
	// Unknown says what is not known of the rule, such as "from_port is known after
	// apply". Where ports or protocol are unknown the rule holds the widest possible ones;
	// an unknown peer is secgroup.UnknownPeer.
	Unknown []string
	// Uncertain is set if the rule may turn out narrower, or may not be made at all.
	Uncertain bool
	// Sensitive is set if the author marked the peer as sensitive: it is judged, and not
	// shown.
	Sensitive bool
	// Remark is a fact that explains the rule; "" for none.
	Remark string
}

// Unclear is a resource that may open any group.
type Unclear struct {
	Location          Location
	AccountID, Region string // "" if unknown
	Text              string
}
