package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

// The notation of openings and verdicts, shared by testdata/openings.txt and by the
// examples of docs/POLICY.md. A case is one call in one group:
//
//	== what the case shows
//	standing: tcp 5432 from 52.0.0.0/10
//	tcp 5432 from 52.64.0.0/10 -> revoke world-open-database together
//
// Lines with a colon set the scene; docs/POLICY.md lists them. A line with an arrow
// is a rule of the call and what is expected of it:
//
//	compliant
//	VERDICT STATEMENT                    alert or revoke
//	VERDICT STATEMENT together           the rule takes others to cross the threshold
//	revoke STATEMENT [together] existing rules that are there already go too
//	exempt STATEMENT by EXCEPTION
//	undetermined [STATEMENT] needs WHAT  WHAT is a list of Needs, or nothing
//
// Unless the scene says otherwise the group holds no other rule, its tags and VPC
// are not known and the call was made by a role, at noon of 2026-11-22.

const (
	defaultAccount = "123456789012"
	defaultActor   = "arn:aws:iam::123456789012:role/deploy"
	defaultGroupID = "sg-0123456789abcdef0"
)

// scenario is one case of the notation.
type scenario struct {
	name  string
	line  int
	req   Request
	want  []string // one for each rule
	at    []int    // the line of each rule
	until []secgroup.Tag
}

func newRequest() Request {
	return Request{
		Time:      time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		AccountID: defaultAccount, Region: "eu-central-1",
		Actor:         Actor{Known: true, ARN: defaultActor},
		Group:         secgroup.Group{ID: defaultGroupID},
		StandingKnown: true,
		PrefixLists:   map[string]secgroup.PrefixList{},
	}
}

// parseScenarios reads the notation. Line numbers start after first.
func parseScenarios(text string, first int) ([]scenario, error) {
	var out []scenario
	for i, raw := range strings.Split(text, "\n") {
		line := strings.TrimSpace(raw)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "== "):
			out = append(out, scenario{name: strings.TrimPrefix(line, "== "), line: first + i, req: newRequest()})
			continue
		case len(out) == 0:
			out = append(out, scenario{name: "line " + strconv.Itoa(first+i), line: first + i, req: newRequest()})
		}
		if err := out[len(out)-1].read(line, first+i); err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", first+i, line, err)
		}
	}
	return out, nil
}

func (s *scenario) read(line string, at int) error {
	if rule, want, ok := strings.Cut(line, "->"); ok {
		r, err := parseRule(strings.TrimSpace(rule))
		if err != nil {
			return err
		}
		r.ID, r.Tags = fmt.Sprintf("sgr-%017x", len(s.req.Rules)+1), s.until
		s.req.Rules = append(s.req.Rules, r)
		s.want = append(s.want, strings.Join(strings.Fields(want), " "))
		s.at = append(s.at, at)
		return nil
	}
	key, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("want RULE -> VERDICT or KEY: VALUE")
	}
	return s.set(key, strings.TrimSpace(value))
}

func (s *scenario) set(key, value string) error {
	req := &s.req
	switch key {
	case "standing":
		switch value {
		case "none":
		case "unknown":
			req.StandingKnown = false
		default:
			r, err := parseRule(value)
			if err != nil {
				return err
			}
			r.ID = fmt.Sprintf("sgr-0dd%014x", len(req.Standing)+1)
			req.Standing = append(req.Standing, r)
		}
	case "account":
		req.AccountID = value
	case "region":
		req.Region = value
	case "group":
		req.Group.ID = strings.TrimPrefix(value, "unknown")
	case "vpc":
		req.Group.VPCID = value
	case "tag":
		k, v, _ := strings.Cut(value, "=")
		req.Group.TagsKnown = true
		if value != "none" {
			req.Group.Tags = append(req.Group.Tags, secgroup.Tag{Key: k, Value: v})
		}
	case "actor":
		req.Actor = Actor{Known: value != "unknown"}
		if strings.HasPrefix(value, "arn:") {
			req.Actor.ARN = value
		}
	case "until": // of every rule of the call, which exist then
		req.RulesRead = true
		s.until = append(s.until, secgroup.Tag{Key: UntilTag, Value: value})
	case "time":
		if value == "unknown" {
			req.Time = time.Time{}
			return nil
		}
		t, err := time.Parse(time.RFC3339, value)
		req.Time = t
		return err
	default:
		if !strings.HasPrefix(key, "pl-") {
			return fmt.Errorf("unknown key %q", key)
		}
		value, owner, _ := strings.Cut(value, " of ")
		list := secgroup.PrefixList{OwnerID: cmp.Or(owner, defaultAccount), Entries: []netip.Prefix{}}
		if owner == "unknown" {
			list.OwnerID = ""
		}
		for _, cidr := range strings.Fields(strings.ReplaceAll(value, ",", " ")) {
			if cidr == "empty" {
				break
			}
			p, err := netip.ParsePrefix(cidr)
			if err != nil {
				return err
			}
			list.Entries = append(list.Entries, p)
		}
		req.PrefixLists[key] = list
	}
	return nil
}

// parseRule reads "tcp 3306 from 0.0.0.0/0", "udp 1-100 to ...", "all from ...",
// "icmp 8 from ...", "icmp 3-22 from ..." (type and code), "protocol 47 from ..." and
// "tcp 22 edited ..." for a rule whose direction is not known.
func parseRule(s string) (secgroup.Rule, error) {
	words := strings.Fields(s)
	if len(words) < 3 {
		return secgroup.Rule{}, fmt.Errorf("want PROTOCOL [PORTS] from|to|edited PEER")
	}
	name, ports := words[0], ""
	rest := words[1:]
	if len(rest) == 3 {
		ports, rest = rest[0], rest[1:]
	}
	if len(rest) != 2 {
		return secgroup.Rule{}, fmt.Errorf("want PROTOCOL [PORTS] from|to|edited PEER")
	}
	if name == "protocol" {
		name, ports = ports, ""
	}
	protocol, err := secgroup.ParseProtocol(name)
	if err != nil {
		return secgroup.Rule{}, err
	}
	direction, ok := map[string]secgroup.Direction{"from": secgroup.Ingress, "to": secgroup.Egress, "edited": 0}[rest[0]]
	if !ok {
		return secgroup.Rule{}, fmt.Errorf("want from, to or edited, found %q", rest[0])
	}
	peer, err := parsePeer(rest[1])
	if err != nil {
		return secgroup.Rule{}, err
	}
	var from, to *int
	if ports != "" {
		var lo, hi int
		if _, err := fmt.Sscanf(ports, "%d-%d", &lo, &hi); err != nil {
			if lo, err = strconv.Atoi(ports); err != nil {
				return secgroup.Rule{}, err
			}
			hi = lo
			if protocol.IsICMP() {
				hi = -1
			}
		}
		from, to = &lo, &hi
	}
	permission, err := secgroup.NewPermission(direction, protocol, from, to, peer)
	return secgroup.Rule{GroupID: defaultGroupID, OwnerID: defaultAccount, Permission: permission}, err
}

func parsePeer(s string) (secgroup.Peer, error) {
	switch owner, id, owned := strings.Cut(s, "/"); {
	case owned && strings.HasPrefix(id, "sg-"):
		return secgroup.GroupPeer(id, owner), nil
	case strings.HasPrefix(s, "sg-"):
		return secgroup.GroupPeer(s, ""), nil
	case strings.HasPrefix(s, "pl-"):
		return secgroup.PrefixListPeer(s), nil
	}
	return secgroup.ParseCIDRPeer(s)
}

// show writes a judgement in the notation.
func show(j Judgement) string {
	out := j.Verdict.String()
	switch j.Verdict {
	case Undetermined:
		out = "undetermined"
	case Compliant:
		out = "compliant"
	}
	if j.StatementID != "" {
		out += " " + j.StatementID
	}
	if j.Union {
		out += " together"
	}
	if j.Existing == ExistingRevoke {
		out += " existing"
	}
	if j.Exception != nil {
		out += " by " + j.Exception.ID
	}
	if j.Verdict == Undetermined {
		out += " needs "
		if j.Needs == 0 {
			return out + "nothing"
		}
		out += j.Needs.String()
	}
	return out
}

// run judges the scenario and compares.
func (s *scenario) run(t *testing.T, p *Policy, file string) []Judgement {
	t.Helper()
	require.NotEmpty(t, s.req.Rules, "%s:%d: the case has no rule", file, s.line)
	judgements := p.Evaluate(s.req)
	require.Len(t, judgements, len(s.req.Rules))
	for i, j := range judgements {
		var reasons []string
		for _, r := range j.Reasons {
			reasons = append(reasons, r.String())
		}
		assert.Equal(t, s.want[i], show(j), "%s:%d: %s\n%s", file, s.at[i], s.req.Rules[i], strings.Join(reasons, "\n"))
	}
	return judgements
}

// defaultPolicy is the policy that the repository ships.
func defaultPolicy(t testing.TB) *Policy {
	t.Helper()
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	p, err := Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(t, err)
	return p
}

// mustParse compiles a policy that a test writes down. It adds version and world
// where the text does not begin with a version.
func mustParse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Compile(policyyaml.Document("policy.yaml", []byte(withHeader(text))))
	require.NoError(t, err, text)
	return p
}

func withHeader(text string) string {
	if strings.HasPrefix(strings.TrimSpace(text), "version:") {
		return text
	}
	return "version: 1\nworld: {ipv4: 9, ipv6: 32}\n" + text
}
