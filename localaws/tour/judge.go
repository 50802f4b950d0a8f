package tour

import (
	"cmp"
	"path/filepath"
	"time"

	"sgward/internal/finding"
	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/policyfile"
	"sgward/internal/secgroup"
	"sgward/internal/text"
	"sgward/localaws/ec2api"
)

// readPolicy reads a policy, or the one that is packed with the functions.
func readPolicy(file, buildDir string) (*policy.Policy, error) {
	if file == "" {
		return policyfile.Read(filepath.Join(buildDir, "DetectFunction", input.DefaultPolicy))
	}
	return input.Policy(file)
}

// judgeAll returns the policy's verdict on each rule of groups, by rule id, each group as
// it is. Nobody's making of a rule is known.
func judgeAll(p *policy.Policy, server *ec2api.Server, groups []ec2api.Group, now time.Time) map[string]policy.Judgement {
	out := map[string]policy.Judgement{}
	for _, g := range groups {
		group := secgroup.Group{ID: g.ID, Name: g.Name, VPCID: g.VPCID, OwnerID: g.Account, Region: g.Region, TagsKnown: true}
		for key, value := range g.Tags {
			group.Tags = append(group.Tags, secgroup.Tag{Key: key, Value: value})
		}
		lists := map[string]secgroup.PrefixList{}
		for _, r := range server.Rules(g.ID) {
			rule, err := ruleOf(r)
			if err != nil {
				continue // its verdict stays undetermined
			}
			group.Rules = append(group.Rules, rule)
			if owner, entries, ok := server.PrefixList(r.PrefixListID); ok {
				lists[r.PrefixListID] = secgroup.PrefixList{OwnerID: owner, Entries: entries}
			}
		}
		for i, j := range p.Evaluate(finding.RequestOfGroup(group, lists, now)) {
			out[group.Rules[i].ID] = j
		}
	}
	return out
}

// ruleOf returns a rule of the stand-in as the policy reads it.
func ruleOf(r ec2api.Rule) (secgroup.Rule, error) {
	peer := secgroup.GroupPeer(r.ReferencedGroupID, r.ReferencedAccount)
	var err error
	switch cidr := cmp.Or(r.CIDRIPv4, r.CIDRIPv6); {
	case cidr != "":
		if peer, err = secgroup.ParseCIDRPeer(cidr); err != nil {
			return secgroup.Rule{}, err
		}
	case r.PrefixListID != "":
		peer = secgroup.PrefixListPeer(r.PrefixListID)
	}
	direction := secgroup.Ingress
	if r.Egress {
		direction = secgroup.Egress
	}
	protocol, err := secgroup.ParseProtocol(r.Protocol)
	if err != nil {
		return secgroup.Rule{}, err
	}
	perm, err := secgroup.NewPermission(direction, protocol, &r.FromPort, &r.ToPort, peer)
	return secgroup.Rule{ID: r.ID, GroupID: r.GroupID, Permission: perm, Description: r.Description}, err
}

// verdictNote says what the policy has against a rule, beside it in a table.
func verdictNote(j policy.Judgement) (string, text.Style) {
	switch {
	case j.Verdict == policy.Revoke:
		return "FORBIDDEN: " + j.StatementID, text.Red
	case j.Verdict == policy.Alert:
		return "warning: " + j.StatementID, text.Yellow
	case j.Verdict == policy.Exempt:
		return "exempt: " + j.Exception.ID, text.Green
	case j.Verdict == policy.Undetermined && j.StatementID != "":
		return "unknown: " + j.StatementID, text.Yellow
	default:
		return "", ""
	}
}
