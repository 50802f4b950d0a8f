package oracle

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// story is what happened in a drill, told call by call.
type story struct {
	t        *testing.T
	evidence Evidence
	n        int
}

func newStory(t *testing.T) *story {
	t.Helper()
	return &story{t: t, evidence: Evidence{
		Ledger:     NewLedger(map[string]string{"ALICE": "alice", "DEPLOYER": deployer, "REMEDIATE": Remediate}),
		Deliveries: map[string]Delivery{}, Present: map[string]bool{},
	}}
}

const group = "sg-0123456789abcdef0"

// record adds the record of a call and returns its event id.
func (s *story) record(key, name, request, response string) string {
	s.t.Helper()
	s.n++
	id := fmt.Sprintf("event-%d", s.n)
	require.NoError(s.t, s.evidence.Ledger.Add(fmt.Appendf(nil,
		`{"detail":{"eventID":%q,"eventName":%q,"userIdentity":{"accessKeyId":%q,"accountId":"123456789012"},"requestParameters":%s,"responseElements":%s}}`,
		id, name, key, request, response)))
	return id
}

// rule is EC2's form of a rule for one port.
func ruleJSON(id string, port int, cidr string) string {
	return fmt.Sprintf(`{"items":[{"securityGroupRuleId":%q,"groupId":%q,"isEgress":false,"ipProtocol":"tcp","fromPort":%d,"toPort":%d,"cidrIpv4":%q}]}`, id, group, port, port, cidr)
}

func (s *story) open(key, id string, port int, cidr string, d Delivery) string {
	s.t.Helper()
	event := s.record(key, "AuthorizeSecurityGroupIngress", "{}", `{"securityGroupRuleSet":`+ruleJSON(id, port, cidr)+`}`)
	d.Scene, d.Op = "1-open", fmt.Sprintf("1.%d", s.n)
	s.evidence.Deliveries[event] = d
	s.evidence.Present[id] = true
	return event
}

func (s *story) close(key, id string, port int, cidr string) {
	s.t.Helper()
	s.record(key, "RevokeSecurityGroupIngress", "{}", `{"revokedSecurityGroupRuleSet":`+ruleJSON(id, port, cidr)+`}`)
	delete(s.evidence.Present, id)
}

// edit gives a rule another peer.
func (s *story) edit(key, id string, port int, cidr string) string {
	s.t.Helper()
	event := s.record(key, "ModifySecurityGroupRules", fmt.Sprintf(`{"ModifySecurityGroupRulesRequest":{"GroupId":%q,"SecurityGroupRule":{"tag":1,
		"SecurityGroupRuleId":%q,"SecurityGroupRule":{"IpProtocol":"tcp","FromPort":%d,"ToPort":%d,"CidrIpv4":%q}}}}`, group, id, port, port, cidr), "{}")
	s.evidence.Deliveries[event] = Delivery{Scene: "1-edit", Op: fmt.Sprintf("1.%d", s.n)}
	return event
}

// alert adds an alert with one finding; more are its other members.
func (s *story) alert(event, outcome, id string, port int, cidr, more string) {
	s.t.Helper()
	a, err := ReadAlert(fmt.Sprintf(`{"event":{"eventId":%q},"findings":[{"groupId":%q,"outcome":%q,"rule":{"securityGroupRuleId":%q,"direction":"ingress",
		"ipProtocol":"tcp","fromPort":%d,"toPort":%d,"cidrIpv4":%q}%s}]}`, event, group, outcome, id, port, port, cidr, more), time.Now())
	require.NoError(s.t, err)
	s.evidence.Alerts = append(s.evidence.Alerts, a)
}

// found returns the invariants that did not hold, before the dead letters are led back.
func (s *story) found() []Invariant {
	var out []Invariant
	for _, v := range Check(s.evidence, true) {
		out = append(out, v.Invariant)
	}
	return out
}

const world = "0.0.0.0/0"

func TestAnOpeningThatIsClosedAndToldIsWell(t *testing.T) {
	s := newStory(t)
	event := s.open("ALICE", "sgr-1", 3306, world, Delivery{})
	s.close("REMEDIATE", "sgr-1", 3306, world)
	s.alert(event, "revoked", "sgr-1", 3306, world, "")
	assert.Empty(t, s.found())
}

func TestEachInvariantIsMissed(t *testing.T) {
	tests := map[string]struct {
		play func(*story)
		want []Invariant
	}{
		"a forbidden rule is left": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.alert(event, "failed", "sgr-1", 3306, world, "")
		}, []Invariant{LeftOpen}},
		"one that is with the dead letters": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{Dead: true})
			s.alert(event, "failed", "sgr-1", 3306, world, "")
		}, nil},
		"one that was there before": {func(s *story) { s.open("ALICE", "sgr-1", 3306, world, Delivery{Withheld: true}) }, nil},
		"two that are the world together": {func(s *story) {
			s.open("ALICE", "sgr-1", 3306, "16.0.0.0/10", Delivery{})
			s.open("ALICE", "sgr-2", 3306, "40.0.0.0/10", Delivery{})
		}, []Invariant{LeftOpen}},
		"two that are told to be": {func(s *story) {
			s.open("ALICE", "sgr-1", 3306, "16.0.0.0/10", Delivery{})
			s.alert(s.open("ALICE", "sgr-2", 3306, "40.0.0.0/10", Delivery{}), "alerted", "sgr-2", 3306, "40.0.0.0/10", `,"union":true`)
		}, nil},
		"a compliant rule goes": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, "10.0.0.0/8", Delivery{})
			s.close("REMEDIATE", "sgr-1", 3306, "10.0.0.0/8")
			s.alert(event, "revoked", "sgr-1", 3306, "10.0.0.0/8", "")
		}, []Invariant{WronglyRemoved, FalseAlarm}},
		"a person removes it": {func(s *story) {
			s.open("ALICE", "sgr-1", 3306, "10.0.0.0/8", Delivery{})
			s.close("ALICE", "sgr-1", 3306, "10.0.0.0/8")
		}, nil},
		"a tolerated rule goes": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 8080, world, Delivery{})
			s.close("REMEDIATE", "sgr-1", 8080, world)
			s.alert(event, "revoked", "sgr-1", 8080, world, "")
		}, []Invariant{WronglyRemoved}},
		"an exempt actor's rule goes": {func(s *story) {
			event := s.open("DEPLOYER", "sgr-1", 22, world, Delivery{})
			s.close("REMEDIATE", "sgr-1", 22, world)
			s.alert(event, "revoked", "sgr-1", 22, world, "")
		}, []Invariant{WronglyRemoved, FalseAlarm}},
		"an older rule goes": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{Withheld: true, Replayed: true})
			s.close("REMEDIATE", "sgr-1", 3306, world)
			s.alert(event, "revoked", "sgr-1", 3306, world, "")
		}, []Invariant{WronglyRemoved}},
		"an older rule goes by a statement that says so": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 6379, world, Delivery{Withheld: true, Replayed: true})
			s.close("REMEDIATE", "sgr-1", 6379, world)
			s.alert(event, "revoked", "sgr-1", 6379, world, "")
		}, nil},
		"half of a union goes": {func(s *story) {
			s.open("ALICE", "sgr-1", 3306, "16.0.0.0/10", Delivery{})
			event := s.open("ALICE", "sgr-2", 3306, "40.0.0.0/10", Delivery{})
			s.close("REMEDIATE", "sgr-2", 3306, "40.0.0.0/10")
			s.alert(event, "revoked", "sgr-2", 3306, "40.0.0.0/10", "")
		}, nil},
		"nobody hears of a closing": {func(s *story) {
			s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.close("REMEDIATE", "sgr-1", 3306, world)
		}, []Invariant{ClosedUnheard}},
		"its alert is about another rule": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.close("REMEDIATE", "sgr-1", 3306, world)
			s.alert(event, "revoked", "sgr-2", 3306, world, "")
		}, []Invariant{ClosedUnheard}},
		"its alert says that somebody else closed it": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.close("REMEDIATE", "sgr-1", 3306, world)
			s.alert(event, "already_closed", "sgr-1", 3306, world, "")
		}, []Invariant{Disowned}},
		"its alert says that an earlier try may have closed it": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.close("REMEDIATE", "sgr-1", 3306, world)
			s.alert(event, "already_closed", "sgr-1", 3306, world, `,"maybeEarlier":true`)
		}, nil},
		"nobody hears of a tolerated opening": {func(s *story) { s.open("ALICE", "sgr-1", 8080, world, Delivery{}) }, []Invariant{Unheard}},
		"nobody hears of one that somebody removed": {func(s *story) {
			s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.close("ALICE", "sgr-1", 3306, world)
		}, []Invariant{Unheard}},
		"its event's alert names one that was made like it since": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.close("ALICE", "sgr-1", 3306, world)
			s.open("ALICE", "sgr-2", 3306, world, Delivery{})
			s.close("REMEDIATE", "sgr-2", 3306, world)
			s.alert(event, "revoked", "sgr-2", 3306, world, "")
		}, nil},
		"nobody hears of an edit that was edited back": {func(s *story) {
			s.open("ALICE", "sgr-1", 3306, "10.0.0.0/8", Delivery{})
			s.edit("ALICE", "sgr-1", 3306, world)
			s.edit("ALICE", "sgr-1", 3306, "10.0.0.0/8")
		}, []Invariant{Unheard}},
		"the alert says closed, and the rule is there": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{Dead: true})
			s.alert(event, "already_closed", "sgr-1", 3306, world, "")
			event = s.open("ALICE", "sgr-2", 8080, world, Delivery{})
			s.alert(event, "already_closed", "sgr-2", 8080, world, "")
		}, []Invariant{FalseClosed}},
		"the alert says revoked, and a person closed it": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.close("ALICE", "sgr-1", 3306, world)
			s.alert(event, "revoked", "sgr-1", 3306, world, "")
		}, []Invariant{FalseRevoked}},
		"it says that an answer was lost": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.close("ALICE", "sgr-1", 3306, world)
			s.alert(event, "revoked", "sgr-1", 3306, world, `,"answerLost":true`)
		}, nil},
		"the last alert says failed, and it is gone": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, world, Delivery{})
			s.close("REMEDIATE", "sgr-1", 3306, world)
			s.alert(event, "revoked", "sgr-1", 3306, world, "")
			s.alert(event, "failed", "sgr-1", 3306, world, "")
		}, []Invariant{NotTakenBack}},
		"the last alert says failed of a compliant rule": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, "52.94.76.9/32", Delivery{})
			s.alert(event, "failed", "sgr-1", 3306, "52.94.76.9/32", "")
		}, []Invariant{FalseAlarm}},
		"an alarm about a compliant rule is taken back": {func(s *story) {
			event := s.open("ALICE", "sgr-1", 3306, "52.94.76.9/32", Delivery{})
			s.alert(event, "failed", "sgr-1", 3306, "52.94.76.9/32", "")
			s.alert(event, "compliant", "sgr-1", 3306, "52.94.76.9/32", "")
		}, nil},
		"EC2 holds what no record made": {func(s *story) {
			s.open("ALICE", "sgr-1", 3306, "10.0.0.0/8", Delivery{})
			delete(s.evidence.Present, "sgr-1")
		}, []Invariant{Differs}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			tt.play(s)
			assert.Equal(t, tt.want, s.found())
		})
	}
}

func TestWhatIsWithTheDeadLettersIsExcusedOnlyUntilTheyAreLedBack(t *testing.T) {
	s := newStory(t)
	s.open("ALICE", "sgr-1", 3306, world, Delivery{Dead: true})
	assert.Empty(t, Check(s.evidence, true))
	assert.Len(t, Check(s.evidence, false), 2, "left open, and unheard")
}

func TestAListIsReadAsItWasAtTheMoment(t *testing.T) {
	s := newStory(t)
	s.record("ALICE", "CreateManagedPrefixList", `{"CreateManagedPrefixListRequest":{"Entry":{"tag":1,"Cidr":"10.0.0.0/8"}}}`,
		`{"CreateManagedPrefixListResponse":{"prefixList":{"prefixListId":"pl-1"}}}`)
	made := s.record("ALICE", "AuthorizeSecurityGroupIngress", "{}", `{"securityGroupRuleSet":{"items":[{"securityGroupRuleId":"sgr-1","groupId":"sg-1",
		"ipProtocol":"tcp","fromPort":3306,"toPort":3306,"prefixListId":"pl-1"}]}}`)
	s.evidence.Deliveries[made] = Delivery{Scene: "1-own-list", Op: "1.2"}
	s.evidence.Present["sgr-1"] = true
	assert.Empty(t, s.found())
	edit := s.record("ALICE", "ModifyManagedPrefixList", `{"ModifyManagedPrefixListRequest":{"PrefixListId":"pl-1","AddEntry":[{"Cidr":"0.0.0.0/1"},{"Cidr":"128.0.0.0/1"}]}}`, "{}")
	s.evidence.Deliveries[edit] = Delivery{Scene: "1-own-list", Op: "1.3"}
	assert.Equal(t, []Invariant{LeftOpen}, s.found())
	s.record("ALICE", "ModifyManagedPrefixList", `{"ModifyManagedPrefixListRequest":{"PrefixListId":"pl-1","RemoveEntry":[{"Cidr":"0.0.0.0/1"},{"Cidr":"128.0.0.0/1"}]}}`, "{}")
	assert.Empty(t, s.found())
}
