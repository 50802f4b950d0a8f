package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
)

// each runs a property on many random draws. A failure names its seed, with which
// it comes again.
func each(t *testing.T, times int, property func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	if testing.Short() {
		times /= 10
	}
	for seed := range uint64(times) {
		if t.Failed() {
			return
		}
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { property(t, rand.New(rand.NewPCG(seed, 4))) })
	}
}

func describeCase(d draft, req Request) string {
	var b strings.Builder
	b.WriteString(d.String())
	for _, r := range req.Rules {
		fmt.Fprintln(&b, "rule:", r)
	}
	for _, r := range req.Standing {
		fmt.Fprintln(&b, "standing:", r)
	}
	fmt.Fprintln(&b, "lists:", req.PrefixLists)
	return b.String()
}

func verdicts(js []Judgement) []Verdict {
	var out []Verdict
	for _, j := range js {
		out = append(out, j.Verdict)
	}
	return out
}

// harm orders verdicts by what they do: nothing, telling people, closing. A verdict
// that is not determined tells people.
func harm(v Verdict) int {
	switch v {
	case Compliant, Exempt:
		return 0
	case Revoke:
		return 2
	default:
		return 1
	}
}

func TestVerdictsAgreeWithTheSlowModel(t *testing.T) {
	seen := map[Verdict]int{}
	unions := 0
	each(t, 400, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		p := mustParse(t, d.String())
		for range 3 {
			req := drawRequest(r)
			got := p.Evaluate(req)
			require.Equal(t, modelJudge(d, req), verdicts(got), describeCase(d, req))
			for _, j := range got {
				seen[j.Verdict]++
				if j.Union {
					unions++
				}
			}
		}
	})
	if !testing.Short() {
		for _, v := range []Verdict{Compliant, Exempt, Alert, Revoke} {
			assert.Greater(t, seen[v], 100, "the draws hardly meet the verdict %s", v)
		}
		assert.Greater(t, unions, 100, "the draws hardly meet unions")
	}
}

func TestOneSetHasOneVerdictHoweverItIsSpelt(t *testing.T) {
	each(t, 1500, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		for i := range d.statements { // lists of networks are about each rule, not about sets
			if strings.HasSuffix(d.statements[i].peer, "in") {
				d.statements[i].peer = "world"
			}
		}
		d.exceptions = nil
		p := mustParse(t, d.String())
		req := drawRequest(r)
		one := drawRule(r, 0)
		whole := drawPrefix(r)
		one.Permission.Peer = secgroup.CIDRPeer(whole)
		req.Rules = []secgroup.Rule{one}
		want := p.Evaluate(req)[0]

		pieces := split(r, whole)
		req.Rules = nil
		for i, piece := range pieces {
			rule := one
			rule.ID = fmt.Sprintf("sgr-%017x", i)
			rule.Permission.Peer = secgroup.CIDRPeer(piece)
			req.Rules = append(req.Rules, rule)
		}
		strongest := Judgement{Verdict: Compliant}
		for _, j := range p.Evaluate(req) {
			if j.Verdict > strongest.Verdict {
				strongest = j
			}
		}
		require.Equal(t, want.Verdict, strongest.Verdict, "as %d rules: %s", len(pieces), describeCase(d, req))

		one.Permission.Peer = secgroup.PrefixListPeer("pl-pieces")
		req.Rules = []secgroup.Rule{one}
		req.PrefixLists["pl-pieces"] = secgroup.PrefixList{OwnerID: req.AccountID, Entries: append(pieces, pieces[0])}
		listed := p.Evaluate(req)[0]
		require.Equal(t, want.Verdict, listed.Verdict, "as a prefix list: %s", describeCase(d, req))
		require.Equal(t, want.StatementID, listed.StatementID, "as a prefix list: %s", describeCase(d, req))
	})
}

// split cuts a prefix into a few that hold the same addresses, in any order.
func split(r *rand.Rand, p netip.Prefix) []netip.Prefix {
	out := []netip.Prefix{p}
	for range 1 + r.IntN(12) {
		i := r.IntN(len(out))
		if out[i].Bits() == out[i].Addr().BitLen() {
			continue
		}
		low, high := halves(out[i])
		out[i] = low
		out = append(out, high)
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func TestTheOrderOfRulesDoesNotMatter(t *testing.T) {
	each(t, 800, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		p := mustParse(t, d.String())
		req := withUnknowns(r, drawRequest(r))
		want := map[string]string{}
		for i, j := range p.Evaluate(req) {
			want[req.Rules[i].ID] = show(j)
		}
		req.Rules, req.Standing = slices.Clone(req.Rules), slices.Clone(req.Standing)
		r.Shuffle(len(req.Rules), func(i, j int) { req.Rules[i], req.Rules[j] = req.Rules[j], req.Rules[i] })
		r.Shuffle(len(req.Standing), func(i, j int) { req.Standing[i], req.Standing[j] = req.Standing[j], req.Standing[i] })
		for i, j := range p.Evaluate(req) {
			require.Equal(t, want[req.Rules[i].ID], show(j), "%s in %s", req.Rules[i], describeCase(d, req))
		}
	})
}

func TestTheSameInputGivesTheSameOutputToTheByte(t *testing.T) {
	each(t, 200, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		req := withUnknowns(r, drawRequest(r))
		want := fmt.Sprintf("%#v", mustParse(t, d.String()).Evaluate(req))
		p := mustParse(t, d.String())
		var all sync.WaitGroup
		got := make([]string, 4)
		for i := range got {
			all.Go(func() { got[i] = fmt.Sprintf("%#v", p.Evaluate(req)) })
		}
		all.Wait()
		for _, g := range got {
			require.Equal(t, withoutPointers(want), withoutPointers(g))
		}
	})
}

// withoutPointers takes the addresses of exceptions out of a dump.
func withoutPointers(s string) string {
	for {
		i := strings.Index(s, "(0x")
		if i < 0 {
			return s
		}
		s = s[:i] + "(" + s[i+strings.Index(s[i:], ")"):]
	}
}

func TestAWiderRuleIsNeverJudgedMilder(t *testing.T) {
	each(t, 1500, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		// "in" asks that all of a peer lies in a list: a wider one may not.
		for i := range d.statements {
			if d.statements[i].peer == "in" {
				d.statements[i].peer = "not-in"
			}
		}
		p := mustParse(t, d.String())
		req := drawRequest(r)
		req.Rules = []secgroup.Rule{drawRule(r, 0)}
		req.Rules[0].Permission.Peer = secgroup.CIDRPeer(drawPrefix(r))
		narrow := p.Evaluate(req)[0].Verdict

		wide := req
		wide.Rules = slices.Clone(req.Rules)
		widen(r, &wide.Rules[0].Permission)
		require.GreaterOrEqual(t, harm(p.Evaluate(wide)[0].Verdict), harm(narrow), "%s against %s", describeCase(d, wide), req.Rules[0])
	})
}

func widen(r *rand.Rand, p *secgroup.Permission) {
	switch peer := p.Peer.CIDR(); {
	case r.IntN(3) > 0 && peer.Bits() > 0:
		p.Peer = secgroup.CIDRPeer(netip.PrefixFrom(peer.Addr(), r.IntN(peer.Bits())))
	case p.Protocol.HasPorts() && r.IntN(2) == 0:
		p.Ports.From = uint16(r.IntN(int(p.Ports.From) + 1))
		p.Ports.To += uint16(r.IntN(65536 - int(p.Ports.To)))
	default:
		p.Protocol, p.Ports = secgroup.AllProtocols, secgroup.PortRange{}
	}
}

func TestAnExceptionMakesNoVerdictStricter(t *testing.T) {
	each(t, 800, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		req := drawRequest(r)
		// A standing rule that an exception covers counts as absent, and then a call may
		// be the one that crosses the threshold: that is meant, and not tried here.
		req.Standing = nil
		with := mustParse(t, d.String()).Evaluate(req)
		bare := d
		bare.exceptions = nil
		without := mustParse(t, bare.String()).Evaluate(req)
		for i := range with {
			require.LessOrEqual(t, harm(with[i].Verdict), harm(without[i].Verdict), "%s in %s", req.Rules[i], describeCase(d, req))
		}
	})
}

func TestAStandingRuleThatIsRevokedOnItsOwnHidesNoUnion(t *testing.T) {
	unions := 0
	each(t, 4000, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		p := mustParse(t, d.String())
		req := drawRequest(r)
		clusterRules(r, &req)
		standing := drawRule(r, 200)
		standing.Permission.Direction, standing.Permission.Protocol, standing.Permission.Ports = secgroup.Ingress, secgroup.AllProtocols, secgroup.PortRange{}
		standing.Permission.Peer = secgroup.CIDRPeer(netip.MustParsePrefix(pick(r, "0.0.0.0/0", "::/0", "52.0.0.0/8")))
		alone := req
		alone.Rules, alone.Standing = []secgroup.Rule{standing}, nil
		if p.Evaluate(alone)[0].Verdict != Revoke {
			return
		}
		without := p.Evaluate(req)
		req.Standing = append(slices.Clone(req.Standing), standing)
		for i, j := range p.Evaluate(req) {
			require.GreaterOrEqual(t, harm(j.Verdict), harm(without[i].Verdict), "%s in %s", req.Rules[i], describeCase(d, req))
			if j.Union && len(j.With) > 0 {
				unions++
				require.NotContains(t, j.With, standing, "it adds nothing: %s", describeCase(d, req))
			}
		}
	})
	if !testing.Short() {
		assert.Greater(t, unions, 50, "the draws hardly meet unions with standing rules")
	}
}

// withUnknowns hides some of what a request knows.
func withUnknowns(r *rand.Rand, req Request) Request {
	if r.IntN(2) == 0 {
		req.Standing, req.StandingKnown = nil, false
	}
	if r.IntN(2) == 0 {
		req.PrefixLists = map[string]secgroup.PrefixList{"pl-1": req.PrefixLists["pl-1"]}
	}
	if r.IntN(3) == 0 {
		req.Rules = slices.Clone(req.Rules)
		for i := range req.Rules {
			req.Rules[i].Permission.Direction = 0
		}
	}
	if r.IntN(3) == 0 {
		req.Time = Request{}.Time
	}
	return req
}

// A verdict that was given although something was not known stays, whatever the
// unknown turns out to be. So nothing is revoked, and nothing let pass, on a guess.
func TestAVerdictHoldsWhateverTheUnknownTurnsOutToBe(t *testing.T) {
	determined := map[Verdict]int{}
	each(t, 2000, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		p := mustParse(t, d.String())
		truth := drawRequest(r)
		hidden := withUnknowns(r, truth)
		got := p.Evaluate(hidden)
		for range 4 {
			full := truth // another world that looks the same
			other := drawRequest(r)
			if !hidden.StandingKnown {
				full.Standing = other.Standing
			}
			full.PrefixLists = map[string]secgroup.PrefixList{"pl-1": truth.PrefixLists["pl-1"], "pl-2": truth.PrefixLists["pl-2"]}
			if _, known := hidden.PrefixLists["pl-2"]; !known {
				full.PrefixLists["pl-2"] = other.PrefixLists["pl-2"]
			}
			full.Rules = slices.Clone(truth.Rules)
			if hidden.Rules[0].Permission.Direction == 0 {
				for i := range full.Rules {
					full.Rules[i].Permission.Direction = pick(r, secgroup.Ingress, secgroup.Egress)
				}
			}
			if hidden.Time.IsZero() {
				full.Time = full.Time.AddDate(r.IntN(20), 0, 0)
			}
			for i, j := range p.Evaluate(full) {
				if got[i].Verdict == Undetermined {
					continue
				}
				determined[got[i].Verdict]++
				require.Equal(t, harm(got[i].Verdict), harm(j.Verdict), "%s in %s", full.Rules[i], describeCase(d, full))
			}
		}
	})
	if !testing.Short() {
		for _, v := range []Verdict{Compliant, Exempt, Alert, Revoke} {
			assert.Greater(t, determined[v], 50, "the draws hardly meet the verdict %s", v)
		}
	}
}

// Of a list that somebody else may change the verdict is one of two: what it holds now
// is forbidden, or it is not known. Where only an exception's addresses, which the list
// holds now, would spare the rule it is not spared.
func TestWhatOthersMayChangeIsNeverSafe(t *testing.T) {
	met := map[Verdict]int{}
	each(t, 2000, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		p := mustParse(t, d.String())
		own := drawRequest(r)
		foreign := own
		foreign.PrefixLists = maps.Clone(own.PrefixLists)
		for id, list := range foreign.PrefixLists {
			foreign.PrefixLists[id] = secgroup.PrefixList{OwnerID: pick(r, "", "222233334444"), Entries: list.Entries}
		}
		unread := own
		unread.PrefixLists = nil
		asOwn, now, unknown := p.Evaluate(own), p.Evaluate(foreign), p.Evaluate(unread)
		for i, j := range now {
			if own.Rules[i].Permission.Peer.Kind() != secgroup.PrefixListPeerKind {
				require.Equal(t, asOwn[i].Verdict, j.Verdict, "others are judged by what the lists hold now: %s in %s", own.Rules[i], describeCase(d, own))
				continue
			}
			met[j.Verdict]++
			switch {
			case unknown[i].Verdict != Undetermined && len(own.Rules) == 1: // its entries have no part in the verdict
				require.Equal(t, harm(asOwn[i].Verdict), harm(j.Verdict), "%s in %s", own.Rules[i], describeCase(d, own))
			case j.Verdict == Revoke:
				require.Equal(t, Revoke, asOwn[i].Verdict, "%s in %s", own.Rules[i], describeCase(d, own))
			case j.Verdict == Compliant || j.Verdict == Exempt:
				require.NotEqual(t, Undetermined, unknown[i].Verdict, "%s in %s", own.Rules[i], describeCase(d, own))
			}
		}
	})
	if !testing.Short() {
		for _, v := range []Verdict{Undetermined, Revoke, Alert, Exempt, Compliant} {
			assert.Positive(t, met[v], "the draws hardly meet the verdict %s", v)
		}
	}
}

func TestUndeterminedSaysWhatItNeeds(t *testing.T) {
	each(t, 500, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		req := withUnknowns(r, drawRequest(r))
		if req.Time.IsZero() {
			return
		}
		for i, j := range mustParse(t, d.String()).Evaluate(req) {
			require.Equal(t, j.Verdict == Undetermined, j.Needs != 0, "%s in %s", req.Rules[i], describeCase(d, req))
		}
	})
}
