package replay_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/logfile"
	"sgward/internal/policy"
	"sgward/internal/replay"
	"sgward/internal/report"
	"sgward/internal/text"
)

func TestAForbiddenOpeningIsFoundWithItsEventAndPlace(t *testing.T) {
	dir := logs(t,
		[]object{authorize("a", at(0), "1 tcp 443 0.0.0.0/0", "2 tcp 22 10.0.0.0/8")},
		[]object{event("DescribeInstances", "b", at(1), nil, nil), authorize("c", at(2), "3 tcp 443 0.0.0.0/0", "4 tcp 22 0.0.0.0/0")})
	r := run(t, replay.Options{Policy: shipped(t)}, dir)
	require.Len(t, r.entries, 1)
	e := r.entries[0]
	assert.Equal(t, policy.Revoke, e.Verdict)
	assert.Equal(t, "world-open-admin", e.StatementID)
	assert.Equal(t, []string{account, region, sg, ruleID("4")}, []string{e.AccountID, e.Region, e.GroupID, e.Rule.ID})
	assert.Equal(t, eventID("c"), e.Event.EventID)
	assert.Equal(t, alice, e.Event.Actor.ARN)
	assert.Equal(t, filepath.Join(dir, "01.json.gz")+" record 2", e.Place)
	assert.Nil(t, e.ClosedAt, "the history does not show an end")
	h := *r.History
	assert.Equal(t, report.History{
		Files: 2, Bytes: h.Bytes, Records: 3, Changes: 2, Rules: 4, Compliant: 3, First: at(0), Last: at(2),
	}, h)
	assert.Positive(t, h.Bytes)
}

// What is judged by hand and what is replayed must not differ.
func TestReplayAndDetectAgreeOnEveryEvent(t *testing.T) {
	files, err := filepath.Glob("../../events/*.json")
	require.NoError(t, err)
	unmatched, err := filepath.Glob("../../events/unmatched/*.json")
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	p := shipped(t)
	for _, file := range slices.Concat(files, unmatched) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			c, err := cloudtrail.Parse(data)
			require.NoError(t, err)
			want := finding.Detect(p, c, c.EventTime).Findings
			for i := range want {
				// Where detect asks for the group because the record has no answer from EC2,
				// remediate finds there what the caller typed.
				req := finding.RequestOf(c, c.EventTime)
				if alone := p.Evaluate(req); want[i].FromRequest && want[i].GroupID != "" && want[i].Verdict == policy.Undetermined {
					for k := range c.Rules {
						if f := finding.Of(req, k, alone[k], c.EventID); f.ID == want[i].ID {
							want[i] = f
							want[i].FromRequest = true
						}
					}
				}
			}
			var got []finding.Finding
			for _, e := range run(t, replay.Options{Policy: p}, file).entries {
				assert.Equal(t, c.Event, *e.Event)
				got = append(got, e.Finding)
			}
			assert.ElementsMatch(t, want, got)
		})
	}
}

func TestAnEventCountsOnceHoweverOftenItWasDelivered(t *testing.T) {
	open, shut := authorize("a", at(0), "1 tcp 22 0.0.0.0/0"), revoke("b", at(60), "1 tcp 22 0.0.0.0/0")
	enveloped := object{"version": "0", "id": "x", "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
		"account": account, "region": region, "time": noon.Format(time.RFC3339), "resources": []string{}, "detail": open}
	dir := logs(t, []object{open, shut, open}, []object{open})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "event.json"), encoded(t, enveloped), 0o600))
	elsewhere := authorize("a", at(0), "1 tcp 22 0.0.0.0/0")
	elsewhere["awsRegion"] = "us-east-1"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other.json"), encoded(t, elsewhere), 0o600))
	r := run(t, replay.Options{Policy: shipped(t)}, dir, filepath.Join(dir, "00.json.gz"))
	assertTold(t, r, "revoke tcp 22 0.0.0.0/0 60s by RevokeSecurityGroupIngress", "revoke tcp 22 0.0.0.0/0")
	assert.EqualValues(t, 2, r.History.Changes)
	assert.EqualValues(t, 1, r.History.Closings)
	assert.GreaterOrEqual(t, r.History.Repeated, int64(3))
	assert.Contains(t, r.entries[0].Place, "00.json.gz record 1", "the first copy names the place")
}

func TestOrderOfRecordsDoesNotMatter(t *testing.T) {
	r := replayOf(t,
		revoke("c", at(90), "1 tcp 22 0.0.0.0/0"),
		authorize("b", at(30), "2 tcp 3306 0.0.0.0/0"),
		authorize("a", at(0), "1 tcp 22 0.0.0.0/0"))
	assertTold(t, r, "revoke tcp 22 0.0.0.0/0 90s by RevokeSecurityGroupIngress", "revoke tcp 3306 0.0.0.0/0")
}

func TestFailedCallsOpenNothingAndAreCounted(t *testing.T) {
	denied := authorize("a", at(0), "1 tcp 22 0.0.0.0/0")
	denied["errorCode"], denied["responseElements"] = "Client.UnauthorizedOperation", nil
	shut := revoke("c", at(60), "2 tcp 22 0.0.0.0/0")
	shut["errorCode"], shut["responseElements"] = "Client.InvalidPermission.NotFound", nil
	worded := modify("d", at(61), "2 tcp 22 0.0.0.0/0") // gives it another description, and nothing else
	worded["requestParameters"].(object)["ModifySecurityGroupRulesRequest"].(object)["SecurityGroupRule"] = object{
		"SecurityGroupRuleId": ruleID("2"), "SecurityGroupRule": object{"Description": "office"}}
	anonymous := func() object {
		o := authorize("", at(2), "1 tcp 22 0.0.0.0/0")
		o["errorCode"], o["responseElements"] = "Client.RequestLimitExceeded", nil
		delete(o, "eventID")
		return o
	}
	r := replayOf(t, denied, authorize("b", at(1), "2 tcp 22 0.0.0.0/0"), shut, worded, anonymous(), anonymous())
	assertTold(t, r, "revoke tcp 22 0.0.0.0/0")
	assert.EqualValues(t, 3, r.History.Failed)
	assert.EqualValues(t, 1, r.History.Changes)
	assert.EqualValues(t, 0, r.History.Closings)
}

func TestAnExceptionCountsIfItAppliedWhenTheCallWasMade(t *testing.T) {
	p := written(t, `
statements:
  - {id: ssh, severity: critical, effect: revoke, ingress: {from: world, ports: [22/tcp]}}
exceptions:
  - {id: move, reason: the move, owner: ops@example.com, expires: "2026-11-03", match: {ports: [22/tcp]}}
`)
	r := run(t, replay.Options{Policy: p}, logs(t, []object{
		authorize("a", at(12*3600-1), "1 tcp 22 0.0.0.0/0"), authorize("b", at(12*3600), "2 tcp 22 ::/0"),
	}))
	assertTold(t, r, "exempt tcp 22 0.0.0.0/0", "revoke tcp 22 ::/0")
	assert.Equal(t, "move", r.entries[0].Exception.ID)
	assert.EqualValues(t, 0, r.History.Compliant, "an exempt rule is not a compliant one")
}

func TestTheWindowBoundsWhatIsJudgedAndNotWhatIsKnown(t *testing.T) {
	o := replay.Options{Policy: shipped(t), Since: at(10), Until: at(20)}
	r := run(t, o, logs(t, []object{
		authorize("a", at(0), "1 tcp 22 10.0.0.0/8"), authorize("b", at(9), "2 tcp 22 0.0.0.0/0"),
		modify("c", at(10), "1 tcp 22 ::/0"), authorize("d", at(20), "3 tcp 3306 0.0.0.0/0"), revoke("e", at(70), "1 tcp 22 ::/0"),
	}))
	assertTold(t, r, "revoke tcp 22 ::/0 60s by RevokeSecurityGroupIngress")
	assert.EqualValues(t, 1, r.History.Changes)
	assert.EqualValues(t, 0, r.History.Closings)
	assert.Equal(t, []time.Time{at(10), at(10)}, []time.Time{r.History.First, r.History.Last})
}

func TestOnlyTheAccountsAndRegionsAskedForAreLookedAt(t *testing.T) {
	foreign := authorize("a", at(0), "1 tcp 22 0.0.0.0/0")
	foreign["recipientAccountId"] = "111122223333"
	far := authorize("b", at(0), "2 tcp 22 0.0.0.0/0")
	far["awsRegion"] = "us-east-1"
	dir := logs(t, []object{foreign, far, authorize("c", at(0), "3 tcp 22 0.0.0.0/0")})
	for _, test := range []struct {
		accounts, regions []string
		want              int
	}{{nil, nil, 3}, {[]string{account}, nil, 2}, {[]string{account}, []string{region}, 1}, {nil, []string{"us-west-2"}, 0}} {
		r := run(t, replay.Options{Policy: shipped(t), Accounts: test.accounts, Regions: test.regions}, dir)
		assert.Len(t, r.entries, test.want, "%v %v", test.accounts, test.regions)
		assert.EqualValues(t, test.want, r.History.Changes, "%v %v", test.accounts, test.regions)
	}
}

func TestTheSameFilesGiveTheSameEntries(t *testing.T) {
	var files [][]object
	for _, s := range random(7, 600) {
		if n := len(files); n == 0 || len(files[n-1]) == 40 {
			files = append(files, nil)
		}
		files[len(files)-1] = append(files[len(files)-1], s.record())
	}
	files = append(files, files[:6]...) // delivered twice
	dir := logs(t, files...)
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Greater(t, len(names), 10)
	o := replay.Options{Policy: shipped(t)}
	first := run(t, o, names...)
	require.Greater(t, len(first.entries), 50)
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	for _, procs := range []int{1, 4} {
		runtime.GOMAXPROCS(procs)
		slices.Reverse(names)
		again := run(t, o, names...)
		assert.Equal(t, string(encoded(t, first.entries)), string(encoded(t, again.entries)))
		assert.Equal(t, first.Coverage, again.Coverage)
	}
}

func TestWhatCannotBeReadIsAProblemAndTheRestIsJudged(t *testing.T) {
	good := authorize("a", at(0), "1 tcp 22 0.0.0.0/0")
	bad := authorize("b", at(1), "2 tcp 3306 0.0.0.0/0")
	bad["requestParameters"], bad["responseElements"] = object{"groupId": sg, "ipPermissions": "all"}, nil
	broken := revoke("c", at(2), "1 tcp 22 0.0.0.0/0")
	broken["responseElements"] = object{"revokedSecurityGroupRuleSet": "all"}
	dir := logs(t, []object{good, bad, broken}, []object{authorize("d", at(3), "4 tcp 5432 0.0.0.0/0")})
	whole, err := os.ReadFile(filepath.Join(dir, "01.json.gz"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "02.json.gz"), whole[:len(whole)-12], 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "03.json"), encoded(t, authorize("e", at(4), "5 tcp 6379 0.0.0.0/0")), 0o600))
	var met []text.Problem
	o := replay.Options{Policy: shipped(t), Bad: func(p text.Problem) { met = append(met, p) }}
	r := run(t, o, dir)
	assert.Equal(t, []string{"revoke tcp 22 0.0.0.0/0", "revoke tcp 5432 0.0.0.0/0", "revoke tcp 6379 0.0.0.0/0"}, r.told())
	require.GreaterOrEqual(t, len(r.Problems), 3)
	assert.ElementsMatch(t, r.Problems, met)
	assert.Equal(t, filepath.Join(dir, "00.json.gz")+" record 2", r.Problems[0].Place)
	assert.Contains(t, r.Problems[0].Text, "requestParameters.ipPermissions")
	assert.Contains(t, r.Problems[1].Text, "responseElements.revokedSecurityGroupRuleSet")
	assert.Contains(t, r.Problems[2].Place, "02.json.gz")
}

func TestAFileThatIsBrokenAllOverDoesNotFloodTheReport(t *testing.T) {
	var records []object
	for range 500 {
		bad := authorize("a", at(0), "1 tcp 22 0.0.0.0/0")
		bad["eventTime"] = "yesterday"
		records = append(records, bad)
	}
	r := replayOf(t, records...)
	require.Len(t, r.Problems, 101)
	assert.Equal(t, "400 more problems are not listed", r.Problems[100].Text)
}

func TestNoHistoryIsAnEmptyReport(t *testing.T) {
	r := run(t, replay.Options{Policy: shipped(t)}, logs(t, []object{}))
	assert.Empty(t, r.entries)
	assert.Empty(t, r.Problems)
	assert.Equal(t, 1, r.History.Files)
	r.History.Files, r.History.Bytes = 0, 0
	assert.Equal(t, report.History{}, *r.History)
}

func TestInterruptionAndAWriterThatFailsEndTheRun(t *testing.T) {
	dir := logs(t, []object{authorize("a", at(0), "1 tcp 22 0.0.0.0/0")})
	sources := logfile.Find([]string{dir}, strings.NewReader("")).Sources
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := replay.Run(ctx, slices.Values(sources), replay.Options{Policy: shipped(t)}, func(report.Entry) error { return nil })
	assert.ErrorIs(t, err, context.Canceled)
	full := errors.New("the disk is full")
	_, err = replay.Run(context.Background(), slices.Values(sources), replay.Options{Policy: shipped(t)}, func(report.Entry) error { return full })
	assert.ErrorIs(t, err, full)
}

func TestProgressIsCounted(t *testing.T) {
	dir := logs(t, []object{authorize("a", at(0), "1 tcp 22 0.0.0.0/0")}, nil)
	var p replay.Progress
	r := run(t, replay.Options{Policy: shipped(t), Progress: &p}, dir)
	assert.EqualValues(t, 2, p.Files.Load())
	assert.Equal(t, r.History.Bytes, p.Bytes.Load())
	assert.EqualValues(t, 1, p.Openings.Load())
}

func TestGroupsHaveTheNameUnderWhichTheHistoryShowsThemMade(t *testing.T) {
	r := replayOf(t, created("0", at(-9)), authorize("a", at(0), "1 tcp 22 0.0.0.0/0"), omitted(authorize("o", at(1))))
	require.Len(t, r.entries, 2)
	for _, e := range r.entries {
		assert.Equal(t, "web", e.GroupName)
	}
	r = replayOf(t, authorize("a", at(0), "1 tcp 22 0.0.0.0/0"), created("0", at(9)))
	assert.Empty(t, r.entries[0].GroupName, "nothing is known of a group before it was made")
	r = replayOf(t, created("0", at(-9)), deleted("d", at(-8)), authorize("a", at(0), "1 tcp 22 0.0.0.0/0"))
	assert.Empty(t, r.entries[0].GroupName, "the group is gone")
}
