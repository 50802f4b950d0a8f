package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"go4.org/netipx"

	"sgward/internal/secgroup"
)

// idle reports whether an exception keeps no statement from applying to any rule that it
// covers, and why. It asks the judge: the widest rules that the exception covers are judged
// without exceptions, as one call in a group that holds nothing else. Facts that the
// exception leaves open stay unknown, so an exception that may matter is never idle.
//
// An idle exception can still keep its rules from counting together with others.
func (p *Policy) idle(x *exception) (why string, idle bool) {
	bare := &Policy{file: p.file, world: p.world, trusted: p.trusted}
	for _, s := range p.statements {
		if s.effect != effectIgnore && (len(x.statements) == 0 || slices.Contains(x.statements, s.id)) {
			bare.statements = append(bare.statements, s)
		}
	}
	if len(bare.statements) == 0 {
		return "the statements that it names ignore what they find", true
	}
	rules, lists := x.widest(bare)
	for _, places := range x.scope.places() {
		why, idle = "", true
		for _, req := range places {
			req.Rules, req.RulesRead, req.PrefixLists, req.StandingKnown = rules, true, lists, true
			e := bare.evaluate(&req)
			if slices.ContainsFunc(e.rules, func(r subject) bool { return !r.unsound && e.conclude(&r).Verdict != Compliant }) {
				why, idle = "", false
				break
			}
			why = cmp.Or(why, e.whyNone())
		}
		if idle {
			return why, true
		}
	}
	return "", false
}

// places returns requests for the accounts, regions, VPCs and groups that a scope names. If
// every request of one list finds nothing, so does every place of the scope: each list has
// all values of one field, and a field with several values is unknown in the others' lists.
func (s *scope) places() [][]Request {
	fields := []struct {
		values []string
		of     func(*Request) *string
	}{
		{s.accounts, func(r *Request) *string { return &r.AccountID }},
		{s.regions, func(r *Request) *string { return &r.Region }},
		{s.vpcs, func(r *Request) *string { return &r.Group.VPCID }},
		{s.groups, func(r *Request) *string { return &r.Group.ID }},
	}
	var base Request
	for _, f := range fields {
		if len(f.values) == 1 {
			*f.of(&base) = f.values[0]
		}
	}
	var out [][]Request
	for _, f := range fields {
		if len(f.values) < 2 {
			continue
		}
		var list []Request
		for _, v := range f.values {
			req := base
			*f.of(&req) = v
			list = append(list, req)
		}
		out = append(out, list)
	}
	if len(out) == 0 {
		out = [][]Request{{base}}
	}
	return out
}

// widest returns rules that an exception covers, and the prefix lists that they name: any
// other rule that it covers lets through no more than one of these. Beside the widest
// ranges they hold those that the policy's statements list.
func (x *exception) widest(p *Policy) (rules []secgroup.Rule, lists map[string]secgroup.PrefixList) {
	lists = map[string]secgroup.PrefixList{}
	var peers []secgroup.Peer
	ranges := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	if x.namesPeers() {
		ranges = nil
		if x.peers != nil {
			ranges = x.peers.Prefixes()
		}
	}
	for _, id := range x.prefixLists {
		peers = append(peers, secgroup.PrefixListPeer(id))
	}
	for _, id := range x.groups {
		peers = append(peers, secgroup.GroupPeer(id, ""))
	}
	own := slices.Clone(ranges) // of the exception
	ends := []secgroup.Tag{EndTag(time.Time{})}
	for i := range p.statements {
		switch m := &p.statements[i].peer; m.kind {
		case insidePeer:
			ranges = append(ranges, sharedRanges(x, m.list)...)
		case prefixListPeer: // its entries may lie inside the exception's ranges
			if len(own) > 0 {
				for _, id := range m.ids {
					lists[id] = secgroup.PrefixList{OwnerID: secgroup.OwnerAWS, Entries: own}
					peers = append(peers, secgroup.PrefixListPeer(id))
				}
			}
		case groupPeer, foreignGroupPeer:
			if !x.namesPeers() {
				peers = append(peers, secgroup.GroupPeer(cmp.Or(firstOf(m.ids), "sg-00000000000000000"), ""))
			}
		}
	}
	first := make([]secgroup.Peer, 0, len(ranges)+len(peers)) // in reasons
	for _, r := range ranges {
		first = append(first, secgroup.CIDRPeer(r))
	}
	peers = append(first, peers...)
	for _, d := range []secgroup.Direction{secgroup.Ingress, secgroup.Egress} {
		if x.direction != 0 && x.direction != d {
			continue
		}
		for _, perm := range x.traffic.permissions() {
			for _, peer := range peers {
				perm.Direction, perm.Peer = d, peer
				rules = append(rules, secgroup.Rule{Permission: perm, Tags: ends})
			}
		}
	}
	return rules, lists
}

func firstOf(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// sharedRanges returns the ranges of a list that an exception covers.
func sharedRanges(x *exception, list *netipx.IPSet) []netip.Prefix {
	if !x.namesPeers() {
		return list.Prefixes()
	}
	if x.peers == nil {
		return nil
	}
	var b netipx.IPSetBuilder
	b.AddSet(list)
	b.Intersect(x.peers)
	shared, err := b.IPSet()
	if err != nil {
		return list.Prefixes()
	}
	out := shared.Prefixes()
	for _, r := range list.Prefixes() { // IPv4 inside IPv6; what is too wide here only saves a warning
		if v4, ok := embeddedIPv4(r); ok && x.peers.OverlapsPrefix(v4) {
			out = append(out, r)
		}
	}
	return out
}

// permissions returns the widest permissions, without direction and peer, whose traffic
// lies in t; nil traffic is any.
func (t traffic) permissions() []secgroup.Permission {
	if t == nil {
		return []secgroup.Permission{{Protocol: secgroup.AllProtocols}}
	}
	var out []secgroup.Permission
	for _, s := range t {
		if s == wholeAxis {
			return []secgroup.Permission{{Protocol: secgroup.AllProtocols}}
		}
		for _, proto := range []secgroup.Protocol{secgroup.TCP, secgroup.UDP} {
			if all := portSpan(proto, secgroup.AllPorts); all.overlaps(s) {
				out = append(out, secgroup.Permission{Protocol: proto, Ports: secgroup.PortRange{
					From: uint16(max(s.lo, all.lo) - all.lo), To: uint16(min(s.hi, all.hi) - all.lo),
				}})
			}
		}
		for at := max(s.lo, protocolBase); at <= s.hi; at++ {
			if proto, err := secgroup.ParseProtocol(strconv.Itoa(int(at - protocolBase))); err == nil && !proto.HasPorts() {
				out = append(out, secgroup.Permission{Protocol: proto})
			}
		}
	}
	return out
}

// whyNone says why no statement applies to any of the rules: the reason of the statement
// that comes closest.
func (e *evaluation) whyNone() string {
	best, why := 0, ""
	for i := range e.rules {
		r := &e.rules[i]
		for k := range e.policy.statements {
			s := &e.policy.statements[k]
			rank, reason := 0, ""
			switch {
			case r.rule.Permission.Direction != s.direction:
				rank, reason = 1, "no statement is about "+r.rule.Permission.Direction.String()
			case !s.meets(r):
				rank, reason = 2, "no statement is about such ports or protocols"
			default:
				found, _ := s.peer.match(r, e.req.AccountID)
				rank, reason = 3+int(found), s.id+": "+e.whyNot(s, r)
				if found == peerNarrow {
					peer := r.rule.Permission.Peer
					reason = s.id + ": " + peer.String() + " alone reaches " + s.peer.width.describe(r.reach, peer.CIDR().Addr().Is6())
				}
			}
			if rank > best {
				best, why = rank, reason
			}
		}
	}
	return why
}
