package replay_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy"
	"sgward/internal/replay"
)

func TestEveryKindOfClosingEndsAnOpening(t *testing.T) {
	const ssh = "1 tcp 22 0.0.0.0/0"
	byID := func(o object) object {
		o["requestParameters"] = object{"groupId": sg, "ipPermissions": object{}, "securityGroupRuleIds": items(object{"securityGroupRuleId": ruleID("1")})}
		return o
	}
	flat := func(o object) object {
		o["requestParameters"] = object{"groupId": sg, "ipPermissions": object{}, "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIp": "0.0.0.0/0"}
		return o
	}
	const open = "revoke tcp 22 0.0.0.0/0"
	for _, test := range []struct {
		name    string
		closing object
		want    string
	}{
		{"by values, answered", revoke("b", at(60), ssh), open + " 60s by RevokeSecurityGroupIngress"},
		{"by values, not answered", unanswered(revoke("b", at(60), ssh)), open + " 60s by RevokeSecurityGroupIngress"},
		{"by values in the flat form", unanswered(flat(revoke("b", at(60), ssh))), open + " 60s by RevokeSecurityGroupIngress"},
		{"by host bits", unanswered(revoke("b", at(60), "1 tcp 22 1.2.3.4/0")), open + " 60s by RevokeSecurityGroupIngress"},
		{"by id, answered", byID(revoke("b", at(60), ssh)), open + " 60s by RevokeSecurityGroupIngress"},
		{"by id, not answered", unanswered(byID(revoke("b", at(60), ssh))), open + " 60s by RevokeSecurityGroupIngress"},
		{"with the group", deleted("b", at(60)), open + " 60s by DeleteSecurityGroup"},
		{"by an edit", modify("b", at(60), "1 tcp 22 10.0.0.0/8"), open + " 60s by ModifySecurityGroupRules"},
		{"in the second of the opening, by an event of a lower id", revoke("0", at(0), ssh), open + " 0s by RevokeSecurityGroupIngress"},
		{"another port", revoke("b", at(60), "2 tcp 23 0.0.0.0/0"), open},
		{"the other direction", egress(revoke("b", at(60), "2 tcp 22 0.0.0.0/0")), open},
		{"before the opening", revoke("b", at(-60), ssh), open},
		{"a rule that came to have the values since", revoke("b", at(60), "2 tcp 22 0.0.0.0/0"), open},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := replayOf(t, authorize("a", at(0), ssh), test.closing)
			assert.Equal(t, test.want, r.told()[0])
			assert.Empty(t, r.Problems)
		})
	}
}

func TestWhatAnswersNameAsUnknownIsNotClosed(t *testing.T) {
	shut := revoke("b", at(60), "1 tcp 22 0.0.0.0/0", "2 tcp 3306 0.0.0.0/0")
	shut["responseElements"] = object{"_return": true, "revokedSecurityGroupRuleSet": object{},
		"unknownIpPermissionSet": items(permission(rule("1 tcp 22 0.0.0.0/0")))}
	r := replayOf(t, authorize("a", at(0), "1 tcp 22 0.0.0.0/0", "2 tcp 3306 0.0.0.0/0"), shut)
	assertTold(t, r, "revoke tcp 22 0.0.0.0/0", "revoke tcp 3306 0.0.0.0/0 60s by RevokeSecurityGroupIngress")
}

func TestAClosingNamesWhoClosed(t *testing.T) {
	shut := revoke("b", at(60), "1 tcp 22 0.0.0.0/0")
	shut["userIdentity"] = object{"type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/ops/bob",
		"sessionContext": object{"sessionIssuer": object{"arn": "arn:aws:iam::123456789012:role/ops"}}}
	r := replayOf(t, authorize("a", at(0), "1 tcp 22 0.0.0.0/0"), shut)
	require.Len(t, r.entries, 1)
	e := r.entries[0]
	assert.Equal(t, at(60), *e.ClosedAt)
	assert.Equal(t, "arn:aws:iam::123456789012:role/ops", e.ClosedBy.Actor.Principal())
	assert.Equal(t, eventID("b"), e.ClosedBy.EventID)
}

func TestAnOpeningMadeAgainHadBeenClosedAtATimeThatNobodyRecorded(t *testing.T) {
	r := replayOf(t, authorize("a", at(0), "1 tcp 22 0.0.0.0/0"), authorize("b", at(100), "2 tcp 22 0.0.0.0/0"), revoke("c", at(160), "2 tcp 22 0.0.0.0/0"))
	assertTold(t, r, "revoke tcp 22 0.0.0.0/0", "revoke tcp 22 0.0.0.0/0 60s by RevokeSecurityGroupIngress")
}

func TestCallsOfOneSecondArePutInAnOrderThatIsPossible(t *testing.T) {
	// As a tool does that takes a rule away and puts it back; the ids tell the opposite.
	r := replayOf(t,
		authorize("9", at(0), "1 tcp 22 0.0.0.0/0"),
		revoke("8", at(5), "1 tcp 22 0.0.0.0/0"), authorize("2", at(5), "2 tcp 22 0.0.0.0/0"), revoke("1", at(5), "2 tcp 22 0.0.0.0/0"),
		authorize("0", at(5), "3 tcp 22 0.0.0.0/0"), deleted("3", at(65)))
	assertTold(t, r,
		"revoke tcp 22 0.0.0.0/0 5s by RevokeSecurityGroupIngress",
		"revoke tcp 22 0.0.0.0/0 60s by DeleteSecurityGroup",
		"revoke tcp 22 0.0.0.0/0 0s by RevokeSecurityGroupIngress")
}

func TestAnEditedRuleGoesTheWayThatAnotherRecordTells(t *testing.T) {
	const edit = "1 tcp 22 0.0.0.0/0"
	unknown := "inspect tcp 22 0.0.0.0/0 unknown"
	for _, test := range []struct {
		name  string
		other []object
		want  []string
	}{
		{"no record", nil, []string{unknown}},
		{"made harmless before", []object{authorize("a", at(-9), "1 tcp 22 10.0.0.0/8")}, []string{"revoke tcp 22 0.0.0.0/0"}},
		{"made as egress before", []object{egress(authorize("a", at(-9), "1 tcp 22 10.0.0.0/8"))}, []string{}},
		{"closed later", []object{revoke("z", at(9), edit)}, []string{"revoke tcp 22 0.0.0.0/0 9s by RevokeSecurityGroupIngress"}},
		{"closed later by values only", []object{unanswered(revoke("z", at(9), edit))}, []string{unknown + " 9s by RevokeSecurityGroupIngress"}},
		{"closed later as egress, by values only", []object{unanswered(egress(revoke("z", at(9), edit)))}, []string{unknown + " 9s by RevokeSecurityGroupEgress"}},
		{"another rule was made", []object{authorize("a", at(-9), "2 tcp 22 10.0.0.0/8")}, []string{unknown}},
		{"records contradict", []object{authorize("a", at(-9), "1 tcp 22 10.0.0.0/8"), egress(authorize("b", at(-9), "1 tcp 23 10.0.0.0/8"))}, []string{unknown}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assertTold(t, replayOf(t, append(test.other, modify("m", at(0), edit))...), test.want...)
		})
	}
}

func TestAnEditThatLeavesARuleAsItWasClosesNothing(t *testing.T) {
	r := replayOf(t, authorize("a", at(0), "1 tcp 22 0.0.0.0/0"), modify("b", at(30), "1 tcp 22 0.0.0.0/0"), revoke("c", at(60), "1 tcp 22 0.0.0.0/0"))
	assertTold(t, r,
		"revoke tcp 22 0.0.0.0/0 60s by RevokeSecurityGroupIngress",
		"revoke tcp 22 0.0.0.0/0 30s by RevokeSecurityGroupIngress")
}

// A caller's own words are enough where the call succeeded: EC2 stored them.
func TestARecordWithoutAnswerIsJudgedByWhatWasAsked(t *testing.T) {
	byName := unanswered(authorize("b", at(1), "2 tcp 3306 0.0.0.0/0"))
	delete(byName["requestParameters"].(object), "groupId")
	byName["requestParameters"].(object)["groupName"] = "default"
	r := replayOf(t, unanswered(authorize("a", at(0), "1 tcp 22 0.0.0.0/0")), byName)
	assertTold(t, r, "revoke tcp 22 0.0.0.0/0", "inspect tcp 3306 0.0.0.0/0")
	assert.True(t, r.entries[0].FromRequest)
}

func TestHalvesOfTheWorldOverTwoCallsAreJudgedTogether(t *testing.T) {
	first, second := authorize("a", at(0), "1 tcp 22 8.0.0.0/10"), authorize("b", at(60), "2 tcp 22 8.64.0.0/10")
	const narrow, crossed = "inspect tcp 22 8.0.0.0/10", "revoke tcp 22 8.64.0.0/10"
	for _, test := range []struct {
		name  string
		calls []object
		want  []string
	}{
		{"the older one still stands", []object{first, second}, []string{narrow, crossed}},
		{"the older one is gone", []object{first, revoke("r", at(30), "1 tcp 22 8.0.0.0/10"), second},
			[]string{narrow + " 30s by RevokeSecurityGroupIngress", "inspect tcp 22 8.64.0.0/10"}},
		{"the older one was edited away", []object{first, modify("m", at(30), "1 tcp 22 10.0.0.0/8"), second},
			[]string{narrow + " 30s by ModifySecurityGroupRules", "inspect tcp 22 8.64.0.0/10"}},
		{"the group is made in the history", []object{created("0", at(-9)), first, second}, []string{crossed}},
		{"the group is made in the history, and nothing crosses", []object{created("0", at(-9)), first}, []string{}},
		{"a call on the group does not tell its rules", []object{created("0", at(-9)), omitted(authorize("o", at(-5))), first}, []string{"inspect", narrow}},
		{"some rules were closed that no record names", []object{first, omitted(revoke("r", at(30))), second},
			[]string{narrow, "inspect tcp 22 8.64.0.0/10"}},
		{"another call of the account does not name its group", []object{created("0", at(-9)), nameless(authorize("n", at(-5), "9 tcp 443 0.0.0.0/0", "8 tcp 22 8.8.0.0/16")), first},
			[]string{"inspect tcp 22 8.8.0.0/16", narrow}},
	} {
		t.Run(test.name, func(t *testing.T) { assertTold(t, replayOf(t, test.calls...), test.want...) })
	}
}

func omitted(o object) object {
	o["requestParameters"] = object{"omitted": true, "groupId": sg}
	o["responseElements"] = object{"omitted": true}
	return o
}

func nameless(o object) object {
	o = unanswered(o)
	delete(o["requestParameters"].(object), "groupId")
	o["requestParameters"].(object)["groupName"] = "default"
	return o
}

func TestAUnionNamesTheRulesThatStoodAndSparesThemOnceClosedByThePolicy(t *testing.T) {
	r := replayOf(t, created("0", at(-9)),
		authorize("a", at(0), "1 tcp 22 8.0.0.0/10"),
		authorize("b", at(10), "2 tcp 22 8.64.0.0/10"), // crosses the threshold, and would be closed
		authorize("c", at(20), "3 tcp 22 9.0.0.0/10"))  // crosses it again beside the first
	assertTold(t, r, "revoke tcp 22 8.64.0.0/10", "revoke tcp 22 9.0.0.0/10")
	for _, e := range r.entries {
		assert.True(t, e.Union)
		require.Len(t, e.With, 1)
		assert.Equal(t, ruleID("1"), e.With[0].ID)
	}
}

func TestANewGroupsOwnEgressRuleStandsUntilItIsClosed(t *testing.T) {
	p := written(t, "statements:\n  - {id: out, severity: low, effect: alert, egress: {to: world, ports: [22/tcp]}}\n")
	half := func(id string, n int, text string) object { return egress(authorize(id, at(n), text)) }
	all := revoke("r", at(1), "0 tcp 22 0.0.0.0/0")
	all = egress(unanswered(all))
	all["requestParameters"] = object{"groupId": sg, "ipPermissions": items(object{"ipProtocol": "-1", "ipRanges": items(object{"cidrIp": "0.0.0.0/0"})})}
	kept := run(t, replay.Options{Policy: p}, logs(t, []object{created("0", at(0)), half("a", 5, "1 tcp 22 8.0.0.0/10"), half("b", 6, "2 tcp 22 8.64.0.0/10")}))
	assertTold(t, kept, "inspect tcp 22 8.0.0.0/10 egress", "inspect tcp 22 8.64.0.0/10 egress")
	gone := run(t, replay.Options{Policy: p}, logs(t, []object{created("0", at(0)), all, half("a", 5, "1 tcp 22 8.0.0.0/10"), half("b", 6, "2 tcp 22 8.64.0.0/10")}))
	assertTold(t, gone, "inspect tcp 22 8.0.0.0/10 egress", "alert tcp 22 8.64.0.0/10 egress")
}

// Whoever may make a rule adds to what others make.
func TestARuleOfAnActorWhomThePolicyExemptsStandsForOthers(t *testing.T) {
	p := written(t, `statements:
  - {id: ssh, severity: critical, effect: revoke, ingress: {from: world, ports: [22/tcp]}, unless: {actors: ["`+alice+`"]}}
`)
	other := authorize("b", at(10), "2 tcp 22 8.64.0.0/10")
	other["userIdentity"] = object{"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/bob", "accountId": account}
	r := run(t, replay.Options{Policy: p}, logs(t, []object{created("0", at(-9)), authorize("a", at(0), "1 tcp 22 8.0.0.0/10"), other}))
	assertTold(t, r, "revoke tcp 22 8.64.0.0/10")
	assert.EqualValues(t, 1, r.History.Compliant)
}

func TestWhatOnlyEC2CouldTellIsInspect(t *testing.T) {
	r := replayOf(t, authorize("a", at(0), "1 tcp 22 pl-0123456789abcdef0"), omitted(authorize("b", at(1))), omitted(authorize("c", at(2))), deleted("d", at(62)))
	assertTold(t, r, "inspect tcp 22 pl-0123456789abcdef0 62s by DeleteSecurityGroup", "inspect 61s by DeleteSecurityGroup", "inspect 60s by DeleteSecurityGroup")
	assert.EqualValues(t, 3, r.History.Changes)
	assert.EqualValues(t, 1, r.History.Rules)
}

func TestRulesThatTheResponseDoesNotListAreInspectedBesideThoseThatItDoes(t *testing.T) {
	listsOnlyLast := func(id string, second int, texts ...string) object {
		o := authorize(id, at(second), texts...)
		answer := o["responseElements"].(object)
		answer["securityGroupRuleSet"] = items(rules(texts[len(texts)-1:])...)
		return o
	}
	r := replayOf(t,
		listsOnlyLast("a", 0, "1 tcp 3306 0.0.0.0/0", "2 tcp 22 0.0.0.0/0"),
		listsOnlyLast("b", 1, "3 tcp 3306 0.0.0.0/0", "4 tcp 22 10.0.0.0/8"),
		revoke("c", at(31), "2 tcp 22 0.0.0.0/0"), deleted("d", at(61)))
	assertTold(t, r, "revoke tcp 22 0.0.0.0/0 31s by RevokeSecurityGroupIngress", "inspect 61s by DeleteSecurityGroup", "inspect 60s by DeleteSecurityGroup")
}

func TestAVPCIsKnownOfAGroupThatTheHistoryShowsMade(t *testing.T) {
	p := written(t, `statements:
  - {id: ssh, severity: critical, effect: revoke, ingress: {from: world, ports: [22/tcp]}, when: {vpcs: [vpc-0123456789abcdef0]}}
`)
	o := replay.Options{Policy: p}
	assertTold(t, run(t, o, logs(t, []object{authorize("a", at(0), "1 tcp 22 0.0.0.0/0")})), "inspect tcp 22 0.0.0.0/0")
	made := run(t, o, logs(t, []object{created("0", at(-9)), authorize("a", at(0), "1 tcp 22 0.0.0.0/0")}))
	assertTold(t, made, "revoke tcp 22 0.0.0.0/0")
	assert.Equal(t, "vpc-0123456789abcdef0", made.entries[0].VPCID)
}

// An export of openings alone piles up more than a group can hold; it must neither be
// believed nor take for ever.
func TestAHistoryWithoutClosingsIsNotTakenForWhatStands(t *testing.T) {
	var calls []object
	for i := range 2001 {
		calls = append(calls, authorize(fmt.Sprintf("%x", i), at(i), fmt.Sprintf("%x tcp 22 8.%d.%d.0/28", i, i/256, i%256)))
	}
	calls = append(calls, authorize("z", at(9000), "f1 tcp 22 9.0.0.0/10"), authorize("zz", at(9001), "f2 tcp 22 9.64.0.0/10"))
	r := replayOf(t, calls...)
	require.Len(t, r.entries, 2003)
	assert.Equal(t, "inspect tcp 22 9.64.0.0/10", told(r.entries[2002]))
}

func TestComparisonShowsOnlyWhatTwoPoliciesJudgeOtherwise(t *testing.T) {
	const ssh = "  - {id: ssh, severity: critical, effect: revoke, ingress: {from: world, ports: [22/tcp]}}\n"
	p := written(t, "statements:\n"+ssh+"  - {id: rest, severity: low, effect: alert, ingress: {from: world, except-ports: [22/tcp]}}\n")
	other := written(t, "statements:\n"+ssh+"  - {id: web, severity: high, effect: alert, ingress: {from: world, ports: [443/tcp]}}\n"+
		"  - {id: office, severity: high, effect: revoke, ingress: {from: public, ports: [5432/tcp]}}\n")
	dir := logs(t, []object{authorize("a", at(0), "1 tcp 22 0.0.0.0/0", "2 tcp 443 0.0.0.0/0", "3 tcp 80 0.0.0.0/0", "4 tcp 5432 203.0.113.0/24", "5 tcp 5432 10.0.0.0/8"),
		omitted(authorize("b", at(1))), revoke("c", at(60), "4 tcp 5432 203.0.113.0/24")})
	r := run(t, replay.Options{Policy: p, Other: other}, dir)
	require.Len(t, r.entries, 2, "%v", r.told())
	assert.Equal(t, "alert tcp 443 0.0.0.0/0", told(r.entries[0]))
	assert.Equal(t, "web", r.entries[0].Compared.StatementID)
	assert.Equal(t, "alert tcp 80 0.0.0.0/0", told(r.entries[1]))
	assert.Equal(t, policy.Compliant, r.entries[1].Compared.Verdict)
	back := run(t, replay.Options{Policy: other, Other: p}, dir)
	require.Len(t, back.entries, 2)
	assert.Equal(t, "none tcp 80 0.0.0.0/0", told(back.entries[1]))
	assert.NotNil(t, back.entries[1].Reasons, "an empty list in JSON, not null")
	assert.Empty(t, run(t, replay.Options{Policy: p, Other: p}, dir).entries)
}
