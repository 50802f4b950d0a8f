package alert

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
)

// shown is a text as mail shows it.
func shown(s string) string { return mail().quotes.show(s, 100) }

func TestTrafficUsesTheNamesPeopleKnow(t *testing.T) {
	for want, words := range map[string]string{
		"tcp 3306 (MySQL)":                      "tcp 3306",
		"udp 3306":                              "udp 3306",
		"tcp 22 (SSH)":                          "tcp 22",
		"tcp 27017-27019 (MongoDB)":             "tcp 27017-27019",
		"tcp 27018 (MongoDB)":                   "tcp 27018",
		"tcp 0-65535 (every TCP port)":          "tcp 0-65535",
		"tcp 0":                                 "tcp 0",
		"tcp 3300-3310 (MySQL 3306 among them)": "tcp 3300-3310",
		"tcp 1024-65535 (MySQL 3306, PostgreSQL 5432, SQL Server 1433 and 40 more known services among them)": "tcp 1024-65535",
		"tcp 2483 (Oracle)":                     "tcp 2483",
		"tcp 33060 (MySQL X Protocol)":          "tcp 33060",
		"tcp 8443 (ClickHouse or HTTPS)":        "tcp 8443",
		"udp 1434 (SQL Server Browser)":         "udp 1434",
		"all traffic (every protocol and port)": "all traffic",
		"icmp type 8":                           "icmp type 8",
		"protocol 50 (ESP)":                     "protocol 50",
		"protocol 99":                           "protocol 99",
	} {
		assert.Equal(t, want, traffic(secgrouptest.Rule("ingress "+words+" from 0.0.0.0/0").Permission))
	}
}

func TestPeersAreSaidInPlainWords(t *testing.T) {
	list := secgroup.PrefixListPeer
	cidr := func(text string) secgroup.Peer {
		p, err := secgroup.ParseCIDRPeer(text)
		require.NoError(t, err)
		return p
	}
	for want, p := range map[string]secgroup.Peer{
		"the whole internet (0.0.0.0/0)":                               cidr("0.0.0.0/0"),
		"the whole internet (0.0.0.0/0) ":                              cidr("1.2.3.4/0"),
		"the whole IPv6 internet (::/0)":                               cidr("::/0"),
		"the whole IPv6 internet (2000::/3)":                           cidr("2000::/3"),
		"4000::/3":                                                     cidr("4000::/3"),
		"128.0.0.0/1 (2,147,483,648 addresses)":                        cidr("128.0.0.0/1"),
		"198.51.100.7/32 (one address)":                                cidr("198.51.100.7/32"),
		"the prefix list pl-0123456789abcdef0":                         list("pl-0123456789abcdef0"),
		`the prefix list "pl-1 <!here>"`:                               list("pl-1 <!here>"),
		"the security group " + testGroup:                              secgroup.GroupPeer(testGroup, testAccount),
		"the security group " + testGroup + " of account 111122223333": secgroup.GroupPeer(testGroup, "111122223333"),
		"an unknown peer":                                              {},
	} {
		_, said := peer(p, testAccount)
		assert.Equal(t, strings.TrimSpace(want), shown(said))
	}
}

func TestGroupedTextsStandOnceBehindTheirNumbers(t *testing.T) {
	assert.Equal(t, []string{"1-2, 4: a", "3: b"}, grouped([][]string{{"a"}, {"a", "a"}, {"b"}, {"a"}}))
	assert.Equal(t, []string{"a"}, grouped([][]string{{"a"}, {"a"}}))
	assert.Equal(t, []string{"a", "2: b"}, grouped([][]string{{"a"}, {"a", "b"}}))
	assert.Empty(t, grouped(nil))
}

func TestLinksFollowTheRegionsPartition(t *testing.T) {
	for region, host := range map[string]string{
		"us-east-1": "console.aws.amazon.com", "eu-central-1": "console.aws.amazon.com", "ap-southeast-7": "console.aws.amazon.com",
		"us-gov-west-1": "console.amazonaws-us-gov.com", "us-gov-east-1": "console.amazonaws-us-gov.com",
		"cn-north-1": "console.amazonaws.cn", "cn-northwest-1": "console.amazonaws.cn",
		"eusc-de-east-1": "eusc-de-east-1.console.amazonaws-eusc.eu",
	} {
		assert.Equal(t, "https://"+host+"/ec2/home?region="+region+"#SecurityGroup:groupId="+testGroup, groupURL(region, testGroup))
		assert.Equal(t, "https://"+host+"/cloudtrailv2/home?region="+region+"#/events/"+testEvent, eventURL(region, testEvent))
	}
	for _, region := range []string{"", "moon", "us-east-1/../x", "us-east-1#"} {
		assert.Empty(t, groupURL(region, testGroup), region)
		assert.Empty(t, groupARN(testAccount, region, testGroup), region)
	}
	// Of these the console is not public, and the ARNs are.
	for region, partition := range map[string]string{"us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f"} {
		assert.Empty(t, groupURL(region, testGroup), region)
		assert.Equal(t, "arn:"+partition+":ec2:"+region+":123456789012:security-group/"+testGroup, groupARN(testAccount, region, testGroup))
	}
	assert.Empty(t, groupURL("us-east-1", "sg-1|x>"))
	assert.Empty(t, eventURL("us-east-1", ""))
	assert.Equal(t, "arn:aws-cn:ec2:cn-north-1:123456789012:security-group/"+testGroup, groupARN(testAccount, "cn-north-1", testGroup))
	assert.Equal(t, "arn:aws-us-gov:ec2:us-gov-west-1:123456789012:security-group/"+testGroup, groupARN(testAccount, "us-gov-west-1", testGroup))
}

func TestALinkTooLongForChatIsInTheMailAlone(t *testing.T) {
	a := alertOf(result(finding.OutcomeRevoked, tcp(22, "0.0.0.0/0")))
	a.Event.Region, a.Event.EventID = "eusc-"+strings.Repeat("a", 57)+"-1", strings.Repeat("e", 64)
	m := messageOf(t, a)
	requireDeliverable(t, m)
	assert.Contains(t, m.Email, "\n"+eventURL(a.Event.Region, a.Event.EventID)+"\n")
	assert.NotContains(t, m.HTTPS, "#/events/")
	assert.Len(t, chatOf(t, m).Content.NextSteps, 2, "the step and the group's page")
}

func TestExposureNamesEveryPublicAddress(t *testing.T) {
	for want, n := range map[string]finding.Interface{
		"- eni-1, no public address, private 10.0.0.5": {PrivateIP: "10.0.0.5", IPv6Addresses: []string{"fd00::1"}},
		"- eni-1, PUBLIC address 203.0.113.9":          {PublicIP: "203.0.113.9"},
		"- eni-1, PUBLIC address 203.0.113.10":         {MorePublicIPs: []string{"203.0.113.10"}},
		"- eni-1, PUBLIC address 2001:db8::1":          {IPv6Addresses: []string{"2001:db8::1"}},
		"- eni-1, PUBLIC addresses 203.0.113.9, 203.0.113.10, 203.0.113.11, and 1 more": {
			PublicIP: "203.0.113.9", MorePublicIPs: []string{"203.0.113.10", "203.0.113.11"}, IPv6Addresses: []string{"2001:db8::1"}},
	} {
		n.ID = "eni-1"
		assert.Equal(t, want, shown(networkInterface(&n, false)))
	}
}

func TestExposureSaysWhatWasReadAndFound(t *testing.T) {
	said := func(list []finding.Interface, problem string) (out []string) {
		a := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
		a.Exposed, a.ExposedError = list, problem
		for _, it := range newView(&a).exposed(mail().limits).items {
			out = append(out, shown(it.text))
		}
		return out
	}
	assert.Equal(t, []string{"Not looked up."}, said(nil, ""))
	assert.Equal(t, []string{"No network interface uses the group at present."}, said([]finding.Interface{}, ""))
	assert.Equal(t, []string{"No network interface was found that uses the group.", `This is not all: "x".`}, said([]finding.Interface{}, "x"))
	assert.Equal(t, []string{`Reading the interfaces that use the group did not work: "x".`}, said(nil, "x"))
	many := said(make([]finding.Interface, 12), "")
	assert.Equal(t, "And 2 more.", many[len(many)-1])
}

func TestExceptionsThatAreLeftOutAreCounted(t *testing.T) {
	all := scenarios()
	a := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == "exceptions-end" })].alert
	a.Findings = slices.Repeat(a.Findings[:1], 40)
	assert.Contains(t, mail().text(newView(&a)), "\nAnd 15 more.\n")
}

func TestActorsAreNamedByWhatTheyCannotChoose(t *testing.T) {
	say := func(a cloudtrail.Actor) string {
		return shown(newView(&finding.Alert{Event: cloudtrail.Event{Actor: a}}).caller(limits{}).items[0].text)
	}
	role := "arn:aws:iam::123456789012:role/teams/Developer"
	session := "arn:aws:sts::123456789012:assumed-role/Developer/alice"
	for want, a := range map[string]cloudtrail.Actor{
		`The role "` + role + `", session "alice" (a name that the caller chose).`: {Type: "AssumedRole", ARN: session, SessionIssuerARN: role},
		`The role "Developer", session "alice" (a name that the caller chose).`:    {Type: "AssumedRole", ARN: session},
		`"arn:aws:iam::123456789012:user/bob".`:                                    {Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/bob"},
		`The account's ROOT user, "arn:aws:iam::123456789012:root".`:               {Type: "Root", ARN: "arn:aws:iam::123456789012:root"},
		`The AWS service "autoscaling.amazonaws.com".`:                             {Type: "AWSService", InvokedBy: "autoscaling.amazonaws.com"},
		`The role "` + role + `", through "cloudformation.amazonaws.com".`:         {SessionIssuerARN: role, InvokedBy: "cloudformation.amazonaws.com"},
		`The record does not say who made the call.`:                               {},
		`A caller of type WebIdentityUser whom the record does not name.`:          {Type: "WebIdentityUser"},
	} {
		assert.Equal(t, want, say(a))
	}
}

func TestARetryDoesNotLie(t *testing.T) {
	say := func(outcome finding.Outcome, try, tries int, earlier bool) string {
		a := alertOf(result(outcome, tcp(22, "0.0.0.0/0")))
		a.Try, a.Tries, a.Findings[0].MaybeEarlier = try, tries, earlier
		return strings.Join(strings.Fields(messageOf(t, a).Email), " ")
	}
	text := say(finding.OutcomeAlreadyClosed, 3, 5, true)
	assert.Contains(t, text, "An earlier try of sgward may have closed it (this was try 3 of 5), or someone else.")
	assert.NotContains(t, text, "sgward closed it")
	text = say(finding.OutcomeAlreadyClosed, 1, 5, false)
	assert.Contains(t, text, "Someone or something else had removed it")
	assert.NotContains(t, text, "earlier try")
	assert.Contains(t, say(finding.OutcomeFailed, 2, 5, false), "This was try 2 of 5; sgward will try again.")
	assert.Contains(t, say(finding.OutcomeFailed, 5, 5, false), "the last try, try 5 of 5: nothing will try again")
	assert.NotContains(t, say(finding.OutcomeFailed, 0, 0, false), "try again.")
	for _, try := range []int{2, 5} {
		assert.NotContains(t, say(finding.OutcomeFailed, try, 5, false), "the rule is gone")
	}
}

func TestWhatToReadComesInItsOrder(t *testing.T) {
	for _, s := range scenarios() {
		if isExpiryNotice(&s.alert) { // which tells of no opening
			continue
		}
		last := -1
		text := messageOf(t, s.alert).Email
		for _, title := range []string{"\nWHAT WAS DONE\n", "\nWHO DID IT\n", "\nWHAT WAS EXPOSED\n", "\nUNDO\n", "\nIF THIS IS MEANT TO BE OPEN\n", "\nLINKS\n"} {
			if i := strings.Index(text, title); i >= 0 {
				assert.Greater(t, i, last, "%s in %s", title, s.name)
				last = i
			}
		}
		assert.Positive(t, last, s.name)
	}
}

func TestPeopleReadTheReasonThatDecided(t *testing.T) {
	const (
		revoke  = "policy.yaml:19 world-open-database: tcp 3306 from 0.0.0.0/0: revoke"
		weaker  = "policy.yaml:34 world-open-other: tcp 3306 from 0.0.0.0/0: alert"
		unclear = "the entries of pl-0123456789abcdef0 could not be read"
	)
	for _, tt := range []struct {
		name, statement string
		reasons, want   []string
		others          int
	}{
		{"one", "world-open-database", []string{revoke}, []string{revoke}, 0},
		{"a weaker one is counted", "world-open-database", []string{revoke, weaker}, []string{revoke}, 1},
		{"what is no statement's stays", "world-open-database", []string{revoke, weaker, unclear}, []string{revoke, unclear}, 1},
		{"none decided", "", []string{revoke, weaker}, []string{revoke, weaker}, 0},
		{"the one that decided gave none", "elsewhere", []string{revoke, weaker}, []string{revoke, weaker}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := opening{Result: finding.Result{Finding: finding.Finding{StatementID: tt.statement, Reasons: reasons(tt.reasons...)}}}
			deciding, others := o.deciding()
			assert.Equal(t, tt.want, policy.Texts(deciding))
			assert.Equal(t, tt.others, others)
		})
	}
}

func TestClosedEditSaysThatTheOldRuleIsGoneToo(t *testing.T) {
	for outcome, gone := range map[finding.Outcome]bool{
		finding.OutcomeRevoked: true, finding.OutcomeAlreadyClosed: true,
		finding.OutcomeFailed: false, finding.OutcomeWouldRevoke: false, finding.OutcomeAlerted: false,
	} {
		a := alertOf(result(outcome, tcp(6379, "0.0.0.0/0")))
		a.Event.EventName, a.Findings[0].Edited = "ModifySecurityGroupRules", true
		m := messageOf(t, a)
		for _, text := range []string{m.Email, m.HTTPS} {
			said := strings.Contains(strings.Join(strings.Fields(text), " "), "WHAT THAT RULE ALLOWED BEFORE IS CLOSED TOO")
			assert.Equal(t, gone, said, outcome)
			assert.NotContains(t, text, "back exactly as it was", "it was something else before the edit")
		}
	}
}
