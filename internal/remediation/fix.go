package remediation

import (
	"net/netip"
	"slices"
	"strings"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// fix sets the access that an alert offers in place of a closed rule: the first peer that
// the policy does not forbid by itself. clients are the groups that the rule's group lets
// in already.
func (r *invocation) fix(a *finding.Alert, f *finding.Result, g *secgroup.Group, clients []secgroup.Peer) {
	isClosed := f.Outcome == finding.OutcomeRevoked || f.Outcome == finding.OutcomeAlreadyClosed
	if !isClosed || f.Rule == nil || f.Rule.Permission.Direction != secgroup.Ingress {
		return
	}
	group := *g
	group.ID = f.GroupID
	for _, peer := range narrowPeers(a.Event, f.Rule.Permission, clients) {
		rule := secgroup.Rule{GroupID: f.GroupID, Permission: f.Rule.Permission}
		rule.Permission.Peer = peer
		judged := r.Policy.Evaluate(policy.Request{
			Time: r.now, AccountID: f.AccountID, Region: f.Region, Actor: a.Event.Actor.Subject(),
			Group: group, Rules: []secgroup.Rule{rule}, StandingKnown: true,
		})
		if v := judged[0].Verdict; v == policy.Compliant || v == policy.Exempt {
			f.Fix = &rule
			return
		}
	}
}

// narrowPeers lists who may need the traffic of a closed rule, the likeliest first: for a
// database the group's other clients, else the caller.
func narrowPeers(e cloudtrail.Event, p secgroup.Permission, clients []secgroup.Peer) []secgroup.Peer {
	own := callerAddress(e)
	isDatabase := p.Protocol == secgroup.TCP && slices.ContainsFunc(secgroup.Databases(), func(s secgroup.Service) bool {
		return p.Ports.Overlaps(secgroup.PortRange{From: s.Client, To: s.Client})
	})
	if isDatabase && p.Ports != secgroup.AllPorts {
		return slices.Concat(clients, own)
	}
	return slices.Concat(own, clients)
}

// sharedSpace is the carriers' own address space (RFC 6598), which is not public. The policy's
// table of public addresses does not serve here: by it, the addresses of documentation are not
// public either, and examples show the fix with them.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// callerAddress returns the address that a call came from, if it is that of a person: none
// for a service, for a private address and for a program that runs in AWS, whose address
// changes.
func callerAddress(e cloudtrail.Event) []secgroup.Peer {
	address, err := netip.ParseAddr(e.SourceIPAddress)
	address = address.Unmap()
	switch {
	case err != nil, address.Zone() != "", !address.IsGlobalUnicast(), address.IsPrivate(), sharedSpace.Contains(address),
		e.Actor.InvokedBy != "", strings.Contains(e.UserAgent, "exec-env/"):
		return nil
	}
	return []secgroup.Peer{secgroup.CIDRPeer(netip.PrefixFrom(address, address.BitLen()))}
}
