package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
)

// closedRule is a rule that sgward has closed in a group of the workspace.
func closedRule(group, id string, port int, cidr string) finding.Result {
	rule := secgrouptest.TCP(port, cidr)
	rule.Description = "temporary"
	return finding.Result{Outcome: finding.OutcomeRevoked, Finding: finding.Finding{
		ID: id, Verdict: policy.Revoke, Severity: policy.Critical, StatementID: "world-open-database",
		Reasons: []policy.Reason{
			{ID: "world-open-database", File: "policy.yaml", Line: 19, Text: "it was forbidden: revoke"},
			{ID: "world-open-other", File: "policy.yaml", Line: 34, Text: "it would be told: alert"},
		},
		AccountID: workspaceAccount, Region: workspaceRegion, GroupID: group, Rule: rule,
	}}
}

// alertFile closes the rules that an alert reports as closed, as sgward does, writes the
// alert into a file and returns its path.
func (d *workspace) alertFile(mode finding.Mode, results ...finding.Result) string {
	d.Helper()
	for i := range results {
		r := &results[i]
		if r.Outcome != finding.OutcomeRevoked || r.Rule == nil {
			continue
		}
		direction, rules := r.Rule.Permission.Direction, []secgroup.Rule{*r.Rule}
		if _, err := ec2rules.Authorize(d.Context(), d.sgward, r.GroupID, direction, rules, nil, false); err != nil {
			continue // the group is none of the desk's
		}
		_, err := ec2rules.Revoke(d.Context(), d.sgward, new(ec2rules.Pace), r.GroupID, direction, rules)
		require.NoError(d, err)
	}
	return d.forgedFile(mode, results...)
}

// forgedFile writes an alert that tells of closings that nobody has made.
func (d *workspace) forgedFile(mode finding.Mode, results ...finding.Result) string {
	d.Helper()
	for i := range results {
		if results[i].ClosedAt == nil {
			now := time.Now()
			results[i].ClosedAt = &now
		}
	}
	a := finding.Alert{
		SchemaVersion: "1", ID: "a-0123456789abcdef", Mode: mode, Verdict: policy.Revoke, Findings: results,
		PolicyDigest: digestOf(d.T, "policy.yaml"),
		Event: cloudtrail.Event{
			EventID: "00000000-0000-0000-0000-000000000000", EventName: "AuthorizeSecurityGroupIngress", AccountID: workspaceAccount, Region: workspaceRegion,
			EventTime: time.Date(2026, 11, 1, 8, 30, 0, 0, time.UTC), SourceIPAddress: "198.51.100.7",
			Actor: cloudtrail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Developer/casey\x1b[2J",
				SessionIssuerARN: "arn:aws:iam::123456789012:role/Developer"},
		},
	}
	data, err := json.Marshal(a)
	require.NoError(d, err)
	path := filepath.Join(d.TempDir(), "alert.json")
	require.NoError(d, os.WriteFile(path, data, 0o600))
	return path
}

func digestOf(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document(file, data))
	require.NoError(t, err)
	return p.Digest()
}

// aGroup makes a group that is compliant, and returns its id.
func (d *workspace) aGroup(name string) string {
	d.Helper()
	require.Equal(d, cli.StatusClean, d.create("--pattern scanner --name "+name).status)
	g, _ := d.group(name)
	return g.ID
}

func TestUndoShowsWhatItOpensAndThatItWillBeClosedAgain(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	file := d.alertFile(finding.Enforce, closedRule(group, "f-1", 3306, "0.0.0.0/0"), closedRule(group, "f-2", 3306, "10.0.0.0/8"))
	got := d.run("undo --yes --even-if-forbidden " + file)
	assert.Equal(t, cli.StatusFindings, got.status, "it is done, and it is forbidden: %s", got.errs)
	for _, want := range []string{
		"In " + group + ` "orders-db", account 123456789012, us-east-1:`,
		`open ingress tcp 3306 from 0.0.0.0/0 "temporary"`,
		"made by AuthorizeSecurityGroupIngress at 2026-11-01 08:30:00 UTC, by arn:aws:sts::123456789012:assumed-role/Developer/casey[U+001B][2J from 198.51.100.7",
		"revoked; policy then: policy.yaml:19 world-open-database: it was forbidden: revoke\n",
		"policy now: policy.yaml:22 world-open-database: tcp 3306 from 0.0.0.0/0 opens",
		"policy now: allowed\n",
		"confirmed by CloudTrail: closed by arn:aws:sts::123456789012:assumed-role/sgward-RemediateRole-EXAMPLE/sgward-remediate at ",
		"close it again within seconds",
		"  - id: allow-tcp-3306-",
		"    expires: " + time.Now().UTC().AddDate(0, 0, 30).Format("2006-01-02"), // not from the alert on
		"groups: [" + group + "]",
	} {
		assert.Contains(t, got.errs, want)
	}
	assert.Equal(t, 1, strings.Count(got.errs, "  - id: allow-"), "the rule that is allowed needs no exception")
	assert.NotContains(t, got.errs, "\x1b")
	assert.Regexp(t, `^put back        sg-\w+  sgr-\w+ ingress tcp 3306 from 0\.0\.0\.0/0\nput back        sg-\w+  sgr-\w+ ingress tcp 3306 from 10\.0\.0\.0/8\n$`, got.out)
	held := d.held("orders-db")
	assert.Contains(t, held, "in tcp 3306-3306 0.0.0.0/0")
	assert.Contains(t, held, "in tcp 3306-3306 10.0.0.0/8")

	got = d.run("undo --yes " + file)
	assert.Contains(t, got.errs, "exists already")
	assert.Equal(t, 2, strings.Count(got.out, "already there   "+group))
	assert.Equal(t, held, d.held("orders-db"))
}

func TestUndoInObserveModeAndUnderAnotherPolicySaysWhatFollows(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	observed := closedRule(group, "f-1", 3306, "0.0.0.0/0")
	observed.Outcome = finding.OutcomeAlreadyClosed
	got := d.run("undo --dry-run " + d.alertFile(finding.Observe, observed))
	assert.Equal(t, cli.StatusFindings, got.status)
	assert.Contains(t, got.errs, "found already closed; policy then")
	assert.Contains(t, got.errs, "observe mode")
	assert.NotContains(t, got.errs, "within seconds")
	assert.Contains(t, got.out, "would put back  "+group)
	assert.NotContains(t, d.held("orders-db"), "in tcp 3306-3306 0.0.0.0/0")

	mended := filepath.Join(d.TempDir(), "mended.yaml")
	data, err := os.ReadFile("policy.yaml")
	require.NoError(t, err)
	writeFile(t, mended, string(data)+"\n  - {id: known, reason: a demo, owner: demo@example.com, expires: 2099-12-31, match: {ports: [3306/tcp]}}\n")
	got = d.run("undo --dry-run --policy " + mended + " " + d.alertFile(finding.Enforce, closedRule(group, "f-1", 3306, "0.0.0.0/0")))
	assert.Equal(t, cli.StatusClean, got.status)
	assert.Contains(t, got.errs, "differs from the policy of the alert: deploy it first")

	expired := filepath.Join(d.TempDir(), "expired.yaml")
	writeFile(t, expired, strings.Replace(readFile(t, mended), "2099-12-31", "2020-12-31", 1))
	got = d.run("undo --dry-run --policy " + expired + " " + d.alertFile(finding.Enforce, closedRule(group, "f-1", 3306, "0.0.0.0/0")))
	assert.Equal(t, cli.StatusFindings, got.status, "an exception that has ended covers nothing")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func TestUndoDoesNothingUnasked(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	file := d.alertFile(finding.Enforce, closedRule(group, "f-1", 443, "0.0.0.0/0"))
	before := d.held("orders-db")
	got := d.runWith("y\n", "undo "+file)
	assert.Equal(t, cli.StatusUsage, got.status)
	assert.Contains(t, got.errs, "pass --yes to restore 1 rule")
	got = d.runWith(readFile(t, file), "undo -")
	assert.Equal(t, cli.StatusUsage, got.status)
	assert.Equal(t, before, d.held("orders-db"))
	got = d.runWith(readFile(t, file), "undo --yes --quiet -")
	assert.Equal(t, cli.StatusClean, got.status)
	assert.Empty(t, got.errs)
	assert.Contains(t, d.held("orders-db"), "in tcp 443-443 0.0.0.0/0")
}

func TestUndoKeepsToTheAlertsAccountAndRegion(t *testing.T) {
	d := newWorkspace(t)
	file := d.alertFile(finding.Enforce, closedRule(d.aGroup("orders-db"), "f-1", 443, "0.0.0.0/0"))
	got := d.run("undo --yes --region eu-central-1 " + file)
	assert.Equal(t, cli.StatusUsage, got.status)
	assert.Contains(t, got.errs, "--region eu-central-1: the alert is of us-east-1")
	t.Setenv("AWS_REGION", "eu-central-1")
	got = d.run("undo --dry-run " + file)
	assert.Equal(t, cli.StatusClean, got.status, "the alert's region, not the environment's: %s", got.errs)
	t.Setenv("AWS_ACCESS_KEY_ID", otherKey)
	got = d.run("undo --yes " + file)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, "the alert is of account 123456789012 and the credentials are of account 111122223333")
	assert.Empty(t, got.out)
}

func TestPartOfAnUndoThatFailsIsNamedAndTheRestIsDone(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	gone := closedRule("sg-0123456789abcdef0", "f-gone", 22, "10.0.0.0/8")
	lost := closedRule(group, "f-lost", 22, "10.0.0.0/8")
	lost.Rule = nil
	open := closedRule(group, "f-open", 22, "10.0.0.0/8")
	open.Outcome = finding.OutcomeWouldRevoke
	file := d.alertFile(finding.Enforce, gone, lost, open, closedRule(group, "f-1", 443, "0.0.0.0/0"))
	got := d.run("undo --yes " + file)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.out, "not put back    sg-0123456789abcdef0  ingress tcp 22 from 10.0.0.0/8: reading group sg-0123456789abcdef0: there is no such security group")
	assert.Contains(t, got.out, "put back        "+group)
	assert.Contains(t, got.errs, "f-lost: cannot be put back: the alert lacks the rule")
	assert.Contains(t, got.errs, "f-open: observe mode left it open: nothing to restore")
	assert.Contains(t, got.errs, "2 of 3 not put back")
	got = d.run("undo --yes --finding f-1 " + file)
	assert.Equal(t, cli.StatusClean, got.status)
	got = d.run("undo --yes --finding f-open " + file)
	assert.Equal(t, cli.StatusClean, got.status)
	assert.Contains(t, got.errs, "Nothing to restore.")
	got = d.run("undo --yes --quiet --finding f-open " + file)
	assert.Equal(t, said{}, got)
}

func TestUndoInJSONIsOneObjectForEachRule(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	edited := closedRule(group, "f-2", 443, "10.0.0.0/8")
	edited.Edited, edited.Rule.Tags = true, []secgroup.Tag{{Key: "team", Value: "web"}, {Key: "aws:x", Value: "y"}}
	file := d.alertFile(finding.Enforce, closedRule(group, "f-1", 3306, "::/0"), edited)
	got := d.run("undo --yes --even-if-forbidden --format json " + file)
	assert.Equal(t, cli.StatusFindings, got.status)
	assert.Contains(t, got.errs, "an edit made it")
	assert.Contains(t, got.errs, "only AWS can set them")
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	require.Len(t, lines, 2)
	type line struct {
		AlertID, FindingID, GroupID, Outcome, Exception string
		Edited, Confirmed                               bool
		Rule                                            secgroup.Rule
		Policy                                          *finding.Finding
	}
	var one, two line
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &one))
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &two))
	assert.Equal(t, "f-1", one.FindingID)
	assert.Equal(t, "put_back", one.Outcome)
	assert.Equal(t, policy.Revoke, one.Policy.Verdict)
	assert.Contains(t, one.Exception, `peers: ["::/0"]`)
	assert.Equal(t, policy.Compliant, two.Policy.Verdict)
	assert.Empty(t, two.Exception)
	assert.True(t, two.Edited)
	assert.True(t, one.Confirmed)
	rules := d.ec2.Rules(group)
	assert.Equal(t, map[string]string{"team": "web"}, rules[len(rules)-1].Tags)
}

func TestYesRefusesWhatThePolicyForbids(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	file := d.alertFile(finding.Enforce, closedRule(group, "f-1", 3306, "0.0.0.0/0"), closedRule(group, "f-2", 3306, "10.0.0.0/8"))
	got := d.run("undo --yes --quiet " + file)
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Contains(t, got.out, "refused         "+group+"  ingress tcp 3306 from 0.0.0.0/0: the policy forbids it: policy.yaml:22 world-open-database: ")
	assert.Contains(t, got.out, "say --even-if-forbidden\n")
	assert.Contains(t, got.out, "put back        "+group, "one rule keeps no other from being put back")
	assert.NotContains(t, d.held("orders-db"), "in tcp 3306-3306 0.0.0.0/0")
	assert.Contains(t, d.held("orders-db"), "in tcp 3306-3306 10.0.0.0/8")

	for _, words := range []string{"undo --yes --even-if-unconfirmed --quiet ", "undo --yes --dry-run --quiet "} {
		got = d.run(words + file)
		assert.Equal(t, cli.StatusFindings, got.status)
		assert.Contains(t, got.out, "refused  ", words)
	}
	got = d.run("undo --yes --format json --quiet --finding f-1 " + file)
	assert.Contains(t, got.out, `"outcome":"refused"`)
	assert.NotContains(t, d.held("orders-db"), "in tcp 3306-3306 0.0.0.0/0")

	t.Chdir(d.TempDir())
	got = d.run("undo --yes --quiet --finding f-1 " + file)
	assert.Equal(t, cli.StatusFindings, got.status, "what no policy judges may be forbidden")
	assert.Contains(t, got.out, "name the policy with --policy")
	got = d.run("undo --yes --quiet --even-if-forbidden --finding f-1 " + file)
	assert.Equal(t, cli.StatusClean, got.status, got.out)
}

// Anybody who can write a file can write an alert.
func TestForgedAlertsAreRefused(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	forged := closedRule(group, "f-1", 443, "0.0.0.0/0") // which the policy allows
	closed := time.Now().Add(-time.Hour)
	forged.ClosedAt = &closed
	file := d.forgedFile(finding.Enforce, forged)
	before := d.held("orders-db")
	for _, words := range []string{"undo --yes ", "undo --dry-run ", "undo --yes --even-if-forbidden "} {
		got := d.run(words + file)
		assert.Equal(t, cli.StatusError, got.status, words)
		assert.Contains(t, got.errs, "NOT CLOSED BY SGWARD: CloudTrail has no call that closed this rule: the alert is forged")
		assert.Contains(t, got.out, "refused         "+group+"  ingress tcp 443 from 0.0.0.0/0: sgward did not close it: ")
		assert.Contains(t, got.errs, "1 of 1 not put back")
	}
	assert.Equal(t, before, d.held("orders-db"))
	got := d.run("undo --yes --even-if-unconfirmed " + file)
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.NotEqual(t, before, d.held("orders-db"))
}

func TestYesNeedsConfirmation(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	closing := closedRule(group, "f-1", 443, "0.0.0.0/0")
	file := d.forgedFile(finding.Enforce, closing)
	refused := func(why string) {
		t.Helper()
		got := d.run("undo --yes " + file)
		assert.Equal(t, cli.StatusError, got.status)
		assert.Contains(t, got.errs, "not confirmed that sgward closed it: "+why)
		assert.Contains(t, got.out, "it is not confirmed that sgward closed it: "+why)
		assert.Contains(t, got.out, "say --even-if-unconfirmed")
		assert.NotContains(t, d.held("orders-db"), "in tcp 443-443 0.0.0.0/0")
	}
	refused("CloudTrail has no such call yet, and may take 15 minutes to show one")

	d.trail.Authorize = func(string, string) bool { return false }
	refused("your credentials may not call cloudtrail:LookupEvents")
	d.trail.Authorize = nil

	got := d.run("undo --dry-run " + file)
	assert.Equal(t, cli.StatusClean, got.status, "whoever is asked sees it, and decides")
	assert.Contains(t, got.errs, "not confirmed")
	got = d.run("undo --yes --even-if-unconfirmed " + file)
	assert.Equal(t, cli.StatusClean, got.status)
	assert.Contains(t, d.held("orders-db"), "in tcp 443-443 0.0.0.0/0")
	got = d.run("undo --yes " + file)
	assert.Equal(t, cli.StatusClean, got.status, "a rule that is there needs no consent")
	assert.Contains(t, got.out, "already there")
}

func TestUndoWithoutAPolicyAtHandSaysSo(t *testing.T) {
	d := newWorkspace(t)
	file := d.alertFile(finding.Enforce, closedRule(d.aGroup("orders-db"), "f-1", 3306, "0.0.0.0/0"))
	t.Chdir(d.TempDir())
	got := d.run("undo --dry-run " + file)
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.errs, "policy.yaml is missing")
	assert.NotContains(t, got.errs, "policy now")
	got = d.run("undo --dry-run --policy none.yaml " + file)
	assert.Equal(t, cli.StatusUsage, got.status, "one that was named has to be there")
}

func TestWhatIsNoAlertOrNotSoundIsRefusedByName(t *testing.T) {
	d := newWorkspace(t)
	forged := closedRule("sg-0123456789abcdef0", "f-1", 3306, "0.0.0.0/0")
	forged.GroupID = "sg-0123456789abcdef0 --dry-run"
	file := d.alertFile(finding.Enforce, forged)
	d.ec2.ResetCalls()
	got := d.run("undo --yes " + file)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, `finding "f-1": its groupId is "sg-0123456789abcdef0 --dry-run"`)
	got = d.run("undo --yes policy.yaml")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, "policy.yaml: reading the alert: it is not JSON")
	got = d.run("undo --yes none.json")
	assert.Contains(t, got.errs, "none.json: reading the alert: no such file")
	assert.Equal(t, cli.StatusUsage, d.run("undo").status)
	assert.Zero(t, d.ec2.Calls().Of())
}
