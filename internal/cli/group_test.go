package cli_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/localaws/ec2api"
)

func webRules(others ...string) []string {
	return append([]string{
		"out tcp 443-443 0.0.0.0/0", "out tcp 443-443 ::/0", "out tcp 80-80 0.0.0.0/0", "out tcp 80-80 ::/0",
		"in tcp 80-80 0.0.0.0/0", "in tcp 80-80 ::/0", "in tcp 443-443 0.0.0.0/0", "in tcp 443-443 ::/0",
	}, others...)
}

func TestPatternsBecomeGroups(t *testing.T) {
	d := newWorkspace(t)
	got := d.create("--pattern web-server --name web --admin-cidr 203.0.113.10/32 --tag team=shop --tag empty=")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.ElementsMatch(t, webRules("in tcp 22-22 203.0.113.10/32"), d.held("web"))
	web, _ := d.group("web")
	assert.Equal(t, map[string]string{"team": "shop", "empty": ""}, web.Tags)
	assert.Equal(t, "Web servers: HTTP and HTTPS from anywhere", web.Description)
	for _, r := range d.ec2.Rules(web.ID) {
		assert.NotEmpty(t, r.Description)
	}

	got = d.create("--pattern database --port postgresql --name db --app-group " + web.ID)
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.ElementsMatch(t, []string{"out tcp 443-443 0.0.0.0/0", "out tcp 443-443 ::/0", "in tcp 5432-5432 " + web.ID, "in tcp 22-22 172.31.0.0/16"}, d.held("db"),
		"SSH from the VPC")

	got = d.create("--pattern scanner --updates --name scan --management-cidr 10.0.7.0/24")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.ElementsMatch(t, []string{"out tcp 443-443 0.0.0.0/0", "out tcp 443-443 ::/0", "out tcp 80-80 0.0.0.0/0", "out tcp 80-80 ::/0",
		"in tcp 22-22 10.0.7.0/24"}, d.held("scan"))
}

func TestSecondRunChangesNothing(t *testing.T) {
	d := newWorkspace(t)
	const words = "--pattern web-server --name web --no-ssh"
	require.Equal(t, cli.StatusClean, d.create(words).status)
	before := d.held("web")
	d.ec2.ResetCalls()
	got := d.create(words)
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.out, ": nothing to change\n")
	assert.Equal(t, before, d.held("web"))
	for _, action := range []string{"CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress"} {
		assert.Zero(t, d.ec2.Calls().Of(action), action)
	}
}

func TestDryRunShowsThePlanAndChangesNothing(t *testing.T) {
	d := newWorkspace(t)
	got := d.create("--pattern web-server --name web --dry-run")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.out, "would be made\n")
	assert.Contains(t, got.out, "  would make     ingress tcp 80 from 0.0.0.0/0 \"HTTP from anywhere\"\n")
	assert.Contains(t, got.out, "  would remove   egress all traffic to 0.0.0.0/0\n")
	_, made := d.group("web")
	assert.False(t, made)

	require.Equal(t, cli.StatusClean, d.create("--pattern web-server --name web").status)
	before := d.held("web")
	got = d.create("--pattern database --name web --app-cidr 10.0.1.0/24 --dry-run --prune")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.out, "  would make     ingress tcp 3306 from 10.0.1.0/24")
	assert.Contains(t, got.out, "  would remove   ingress tcp 80 from ::/0")
	assert.Equal(t, before, d.held("web"))

	d.ec2.SetAuthorizer(func(action, _ string) string {
		return map[bool]string{true: "UnauthorizedOperation"}[action == "CreateSecurityGroup"]
	})
	got = d.create("--pattern web-server --name other --dry-run")
	assert.Equal(t, cli.StatusError, got.status, "EC2 was asked")
	assert.Contains(t, got.errs, "UnauthorizedOperation")
}

func TestPolicyRefusesBeforeAnythingIsMade(t *testing.T) {
	d := newWorkspace(t)
	got := d.create("--pattern web-server --name web --admin-cidr 203.0.113.10/32 --admin-cidr 0.0.0.0/0")
	assert.Equal(t, cli.StatusFindings, got.status)
	assert.Contains(t, got.out, ": nothing was done\n")
	assert.Contains(t, got.out, `refused        ingress tcp 22 from 0.0.0.0/0 "SSH for administration": policy.yaml:30 world-open-admin: `)
	assert.NotContains(t, got.out, "203.0.113.10/32", "only what is refused")
	_, made := d.group("web")
	assert.False(t, made)
	assert.Zero(t, d.ec2.Calls().Of("CreateSecurityGroup"))
}

// The group as a whole is judged: what it holds, and what it is to hold.
func TestRuleIsJudgedWithWhatTheGroupHolds(t *testing.T) {
	d := newWorkspace(t)
	require.Equal(t, cli.StatusClean, d.create("--pattern web-server --name web").status)
	web, _ := d.group("web")
	allow := func(cidr string) said {
		return d.run("group allow --port 22 --group "+web.ID+" --cidr "+cidr+" --description", "a part of the world")
	}
	assert.Equal(t, cli.StatusClean, allow("64.0.0.0/10").status)
	got := allow("64.64.0.0/10")
	assert.Equal(t, cli.StatusFindings, got.status)
	assert.Contains(t, got.out, "together with other rules")
	assert.Contains(t, got.errs, "groups: ["+web.ID+"]", "the exception to paste")
	assert.NotContains(t, d.held("web"), "in tcp 22-22 64.64.0.0/10")
	assert.Equal(t, cli.StatusClean, allow("64.0.0.0/10").status, "what is there already stands beside nothing new")
}

// until returns the times of an end that lies a duration after now, which a test may cross
// a minute's border with.
func until(from time.Time, lasts time.Duration) []string {
	var out []string
	for _, at := range []time.Time{from, time.Now()} {
		out = append(out, at.UTC().Add(lasts+time.Minute-time.Nanosecond).Truncate(time.Minute).Format("2006-01-02T15:04Z07:00"))
	}
	return out
}

func TestATemporaryRuleCarriesItsEnd(t *testing.T) {
	d := newWorkspace(t)
	require.Equal(t, cli.StatusClean, d.create("--pattern web-server --name web --no-ssh").status)
	web, _ := d.group("web")
	from := time.Now()
	got := d.run("group allow --for 8h --port 22 --cidr 203.0.113.10/32 --tag team=shop --group "+web.ID+" --description", "vendor on site")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.errs, "The policy allows this rule for ever, and no statement of it says ended: true for ingress: no sweep reports its end at ")
	rules := d.ec2.Rules(web.ID)
	made := rules[slices.IndexFunc(rules, func(r ec2api.Rule) bool { return r.FromPort == 22 })]
	assert.Equal(t, "shop", made.Tags["team"])
	assert.Contains(t, until(from, 8*time.Hour), made.Tags["sgward:until"])

	got = d.run("group allow --for 1h --port 443 --cidr 0.0.0.0/0 --group "+web.ID+" --description", "HTTPS from anywhere")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.out, "already there")
	assert.Contains(t, got.out, `its tags are none, not "sgward:until=`)
	for _, r := range d.ec2.Rules(web.ID) {
		assert.Equal(t, r.FromPort == 22, r.Tags["sgward:until"] != "", "an existing rule stays permanent")
	}
}

// The policy forbids it: the exception to review ends with the rule, and only once it is in
// the policy the rule is made.
func TestATemporaryRuleThatThePolicyForbidsNeedsItsException(t *testing.T) {
	d := newWorkspace(t)
	require.Equal(t, cli.StatusClean, d.create("--pattern web-server --name web --no-ssh").status)
	web, _ := d.group("web")
	document, err := os.ReadFile("policy.yaml")
	require.NoError(t, err)
	file := d.TempDir() + "/policy.yaml"
	base := strings.Replace(string(document), "\nexceptions:", "\n  - {id: ended, severity: low, effect: alert, ingress: {from: any, ended: true}}\n\nexceptions:", 1)
	writeFile(t, file, base)
	allow := func(flags string) said {
		return d.run("group allow --policy "+file+" --port 22 --cidr 0.0.0.0/0 --group "+web.ID+" "+flags+" --description", "vendor")
	}
	from := time.Now()
	got := allow("--for 90m")
	assert.Equal(t, cli.StatusFindings, got.status)
	assert.Contains(t, got.errs, "    owner: CHANGE-ME@example.com\n")
	got = allow("--for 90m --owner network@example.com")
	assert.Equal(t, cli.StatusFindings, got.status)
	assert.NotContains(t, d.held("web"), "in tcp 22-22 0.0.0.0/0")
	_, pasted, ok := strings.Cut(got.errs, "deploy it first:\n")
	require.True(t, ok, got.errs)
	assert.NotContains(t, pasted, "expires")
	assert.Contains(t, pasted, "    owner: \"network@example.com\"\n")
	assert.True(t, slices.ContainsFunc(until(from, 90*time.Minute), func(end string) bool { return strings.Contains(pasted, "    until: "+end+"\n") }), pasted)

	lint := func() said { return d.run("policy lint " + file) }
	writeFile(t, file, base+pasted)
	assert.Contains(t, lint().errs, `reason: "CHANGE ME: why this has to be open" is a placeholder`)
	assert.Equal(t, cli.StatusUsage, allow("--for 90m").status)
	writeFile(t, file, base+strings.Replace(pasted, `"CHANGE ME: why this has to be open"`, "a visit", 1))
	assert.Equal(t, cli.StatusClean, lint().status)
	got = allow("--for 1h")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Regexp(t, `The exception allow-tcp-22-[0-9a-f]{8} allows the rule until 20[0-9T:-]+Z\. From then on the policy forbids it\. The rule's own end is 20[0-9T:-]+Z\.`, got.errs)
	assert.Contains(t, d.held("web"), "in tcp 22-22 0.0.0.0/0")
}

func TestHalfDoneGroupIsContinued(t *testing.T) {
	for _, broken := range []string{"AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress", "AuthorizeSecurityGroupIngress"} {
		t.Run(broken, func(t *testing.T) {
			d := newWorkspace(t)
			d.ec2.SetAuthorizer(func(action, _ string) string {
				return map[bool]string{true: "UnauthorizedOperation"}[action == broken]
			})
			got := d.create("--pattern web-server --name web")
			assert.Equal(t, cli.StatusError, got.status)
			assert.Contains(t, got.out, "failed ")
			assert.Contains(t, got.out, "UnauthorizedOperation")
			assert.Contains(t, got.errs, "run this again")
			if broken == "AuthorizeSecurityGroupEgress" {
				assert.Contains(t, d.held("web"), "out -1 -1--1 0.0.0.0/0", "the way out is not taken away before there is another")
			}
			d.ec2.SetAuthorizer(func(string, string) string { return "" })
			got = d.create("--pattern web-server --name web")
			assert.Equal(t, cli.StatusClean, got.status, got.errs)
			assert.ElementsMatch(t, webRules(), d.held("web"))
		})
	}
}

func TestGroupInUseKeepsItsWayOutUnlessPruned(t *testing.T) {
	d := newWorkspace(t)
	require.Equal(t, cli.StatusClean, d.create("--pattern scanner --name web --no-ssh").status)
	web, _ := d.group("web")
	require.Equal(t, cli.StatusClean, d.run("group allow --group-id "+web.ID+" --port 8080 --cidr 10.0.0.0/8 --description status").status)
	// The rule that lets everything out comes back, as it would by hand.
	lax := d.TempDir() + "/lax.yaml"
	writeFile(t, lax, "version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements: [{id: none, effect: ignore, ingress: {from: world}}]\n")
	require.Equal(t, cli.StatusClean, d.run("group allow --policy "+lax+" --group-id "+web.ID+" --direction egress --protocol -1 --cidr 0.0.0.0/0 --description all").status)
	_, err := d.ec2.AddNetworkInterface(ec2api.NetworkInterface{GroupIDs: []string{web.ID}})
	require.NoError(t, err)

	got := d.create("--pattern web-server --name web --tag team=shop --description other")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.out, `left           egress all traffic to 0.0.0.0/0 "all": beyond the pattern, and the group is in use; --prune removes it`)
	assert.Contains(t, got.out, `left           ingress tcp 8080 from 10.0.0.0/8 "status": beyond the pattern; --prune removes it`)
	assert.Contains(t, got.out, `already there  egress tcp 443 to 0.0.0.0/0 "HTTPS to anywhere": its description is "HTTPS for AWS APIs"`)
	assert.Contains(t, got.errs, `The group has no tag "team=shop"`)
	assert.Contains(t, got.errs, `The group's description is "Compliance scanners`)
	assert.ElementsMatch(t, webRules("out -1 -1--1 0.0.0.0/0", "in tcp 8080-8080 10.0.0.0/8"), d.held("web"))

	got = d.create("--pattern web-server --name web --prune")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.out, "removed        egress all traffic to 0.0.0.0/0")
	assert.ElementsMatch(t, webRules(), d.held("web"))
}

func TestAllowAddsOneRuleOnce(t *testing.T) {
	d := newWorkspace(t)
	require.Equal(t, cli.StatusClean, d.create("--pattern web-server --name web").status)
	web, _ := d.group("web")
	command := "group allow --format json --group-id " + web.ID + " --direction egress --port 3306 --source-group " + web.ID + " --tag a=b --description"
	var result struct {
		GroupID string `json:"groupId"`
		Group   string
		Changes []struct {
			Change, Note string
			Rule         struct{ SecurityGroupRuleID, ReferencedGroupUserID string }
		}
		Rules []json.RawMessage
	}
	for _, want := range []string{"made", "already_there"} {
		got := d.run(command, "to the database")
		require.Equal(t, cli.StatusClean, got.status, got.errs)
		assert.Equal(t, 1, strings.Count(got.out, "\n"), "one line")
		require.NoError(t, json.Unmarshal([]byte(got.out), &result))
		assert.Equal(t, web.ID, result.GroupID)
		require.Len(t, result.Changes, 1)
		assert.Equal(t, want, result.Changes[0].Change)
		assert.Regexp(t, "^sgr-", result.Changes[0].Rule.SecurityGroupRuleID)
		assert.Len(t, result.Rules, 9)
	}
	rules := d.ec2.Rules(web.ID)
	last := rules[len(rules)-1]
	assert.Equal(t, "to the database", last.Description)
	assert.Equal(t, map[string]string{"a": "b"}, last.Tags)
	got := d.run(command, "another word")
	assert.Contains(t, got.out, `its description is \"to the database\", not \"another word\"`)
}

func TestMistakesAreNamedBeforeAnyCall(t *testing.T) {
	d := newWorkspace(t)
	d.ec2.ResetCalls()
	const aGroup = "group allow --group-id sg-0123456789abcdef0 --description x "
	for words, want := range map[string]string{
		"group create":                                                                                       `--pattern: "": want web-server, database or scanner`,
		"group create --pattern web-server":                                                                  "--vpc-id is missing",
		"group create --pattern web-server --vpc-id vpc-1":                                                   `--vpc-id "vpc-1"`,
		"group create --pattern web-server --vpc-id vpc-0123456789abcdef0":                                   "--name: it is empty",
		"group create --pattern web-server --vpc-id vpc-0123456789abcdef0 --name sg-web":                     "begins with sg-",
		"group create --pattern web-server --vpc-id vpc-0123456789abcdef0 --name web?":                       `holds '?'`,
		"group create --pattern web-server --vpc-id vpc-0123456789abcdef0 --name w --tag =x":                 `--tag "=x": want KEY=VALUE`,
		"group create --pattern web-server --vpc-id vpc-0123456789abcdef0 --name w --tag aws:x=y":            "for AWS to set",
		"group create --pattern web-server --vpc-id vpc-0123456789abcdef0 --name w --admin-cidr 203.0.113.1": "--admin-cidr: parsing CIDR",
		"group create --pattern database --vpc-id vpc-0123456789abcdef0 --name w --app-group web":            `--app-group "web"`,
		"group create --pattern database --vpc-id vpc-0123456789abcdef0 --name w --port postgres":            `--port: "postgres": want mysql, postgresql`,
		"group create --pattern web-server --vpc-id vpc-0123456789abcdef0 --name w --policy none.yaml":       "none.yaml",
		"group create --pattern web-server --vpc-id vpc-0123456789abcdef0 --name w --actor casey":            `--actor "casey"`,
		"group create web --pattern web-server":                                                              "web",
		"group allow":                                                                                        "--group-id is missing",
		"group allow --group-id web":                                                                         "found 0",
		aGroup:                                                                                               "found 0",
		aGroup + "--port 22 --cidr 10.0.0.0/8 --source-group sg-0123456789abcdef0":                           "found 2",
		aGroup + "--cidr 10.0.0.0/8":                                                                         "--port is missing",
		aGroup + "--port 70000 --cidr 10.0.0.0/8":                                                            "65535",
		aGroup + "--port 22 --cidr 10.0.0.0":                                                                 "CIDR",
		aGroup + "--port 22 --cidr 10.0.0.0/8 --protocol icmp":                                               "has no ports",
		aGroup + "--port 22 --cidr 10.0.0.0/8 --direction both":                                              "--direction",
		aGroup + "--port 22 --prefix-list list":                                                              `--prefix-list "list"`,
		aGroup + "--port 22 --cidr 10.0.0.0/8 --format csv":                                                  "--format",
		"group allow --group-id sg-0123456789abcdef0 --port 22 --cidr 10.0.0.0/8":                            "--description is missing",
		"group allow --group-id sg-0123456789abcdef0 --port 22 --cidr 10.0.0.0/8 --description |":            "holds '|'",
		"group allow --group-id web --port 22 --cidr 10.0.0.0/8 --description x":                             `--group-id "web"`,
	} {
		got := d.run(words)
		assert.Equal(t, cli.StatusUsage, got.status, words)
		assert.Contains(t, got.errs, want, words)
		assert.Empty(t, got.out, words)
	}
	assert.Zero(t, d.ec2.Calls().Of())
}

func TestWhatEC2DoesNotKnowIsNamed(t *testing.T) {
	d := newWorkspace(t)
	got := d.run("group create --pattern web-server --name web --vpc-id vpc-0123456789abcdef0")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, "no such VPC")
	got = d.run("group allow --group-id sg-0123456789abcdef0 --port 22 --cidr 10.0.0.0/8 --description x")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, "no such security group in this account and region")
	got = d.create("--pattern database --name db --app-cidr 203.0.113.0/24")
	assert.Equal(t, cli.StatusUsage, got.status)
	assert.Contains(t, got.errs, "203.0.113.0/24 is neither in private space nor in the VPC")
}

func TestTheEndInATagMustBeATime(t *testing.T) {
	d := newWorkspace(t)
	got := d.run("group allow --group-id " + d.aGroup("web") + " --port 22 --cidr 203.0.113.10/32 --description office --tag sgward:until=tomorrow")
	assert.Equal(t, cli.StatusUsage, got.status)
	assert.Contains(t, got.errs, "--tag sgward:until=tomorrow: want a time in UTC such as 2027-03-01T18:00Z")
	assert.NotContains(t, strings.Join(d.held("web"), " "), "203.0.113.10")
}
