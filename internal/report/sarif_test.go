package report

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// sarifSchema is the schema that OASIS publishes; testdata/oasis says where.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open("testdata/oasis/sarif-schema-2.1.0.json")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	doc, err := jsonschema.UnmarshalJSON(file)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("sarif.json", doc))
	schema, err := c.Compile("sarif.json")
	require.NoError(t, err)
	return schema
}

// sarifLog is as much of a log as the tests read.
type sarifLog struct {
	Runs []struct {
		Results     []sarifResult
		Tool        struct{ Driver struct{ Rules []sarifRule } }
		Invocations []struct {
			Successful    bool                          `json:"executionSuccessful"`
			Notifications []struct{ Message sarifText } `json:"toolExecutionNotifications"`
		}
	}
}

// assertSARIF checks a log by the schema, and what the schema does not say: that
// results name their rules, and what GitHub's code scanning asks for
// (https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning).
func assertSARIF(t *testing.T, schema *jsonschema.Schema, out string) sarifLog {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(doc))
	var log sarifLog
	require.NoError(t, json.Unmarshal([]byte(out), &log))
	require.Len(t, log.Runs, 1)
	run := log.Runs[0]
	seen := map[string]bool{}
	for _, rule := range run.Tool.Driver.Rules {
		assert.False(t, seen[rule.ID], "rule %s is there twice", rule.ID)
		seen[rule.ID] = true
		assert.NotEmpty(t, rule.ShortDescription.Text)
		assert.LessOrEqual(t, len(rule.Properties.Tags), 10)
	}
	for _, r := range run.Results {
		require.Less(t, r.RuleIndex, len(run.Tool.Driver.Rules))
		assert.Equal(t, r.RuleID, run.Tool.Driver.Rules[r.RuleIndex].ID)
		assert.NotNil(t, r.Suppressions, "all results have them or none (3.27.23)")
		require.Len(t, r.Locations, 1)
		physical := r.Locations[0].Physical
		assert.Positive(t, physical.Region.StartLine)
		_, err := url.Parse(physical.Artifact.URI)
		assert.NoError(t, err)
	}
	return log
}

func TestSARIFIsValidAndSaysWhatJSONSays(t *testing.T) {
	schema := sarifSchema(t)
	for name, s := range scenarios() {
		t.Run(name, func(t *testing.T) {
			log := assertSARIF(t, schema, written(t, SARIF, s, Options{}))
			var ids, want []string
			for _, r := range log.Runs[0].Results {
				if r.RuleID != noteRule {
					ids = append(ids, r.Fingerprints.Finding)
				}
			}
			for line := range strings.Lines(written(t, JSON, s, Options{})) {
				var e Entry
				require.NoError(t, json.Unmarshal([]byte(line), &e))
				want = append(want, e.ID)
			}
			assert.Equal(t, want, ids)
			require.Len(t, log.Runs[0].Invocations, 1)
			in := log.Runs[0].Invocations[0]
			assert.Equal(t, len(s.read.Problems) == 0, in.Successful)
			assert.Len(t, in.Notifications, len(s.read.Problems))
		})
	}
}

func TestTheSchemaRefusesWhatIsNoSARIF(t *testing.T) {
	out := strings.Replace(written(t, SARIF, replayed(), Options{}), `"level":"error"`, `"level":"fatal"`, 1)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
	require.NoError(t, err)
	assert.Error(t, sarifSchema(t).Validate(doc), "the check can fail")
}

func TestASARIFResultTellsSeverityPlaceAndException(t *testing.T) {
	log := assertSARIF(t, sarifSchema(t), written(t, SARIF, replayed(), Options{}))
	run := log.Runs[0]
	first, exempt, unknown := run.Results[0], run.Results[4], run.Results[6]
	assert.Equal(t, []any{"world-open-database", "error", "policy.yaml", 19}, []any{first.RuleID, first.Level, first.Locations[0].Physical.Artifact.URI, first.Locations[0].Physical.Region.StartLine})
	assert.Equal(t, "arn:aws:ec2:eu-central-1:111122223333:security-group-rule/sgr-00000000000000cea", first.Locations[0].Logical[0].FullyQualifiedName)
	assert.Contains(t, first.Message.Text, "would close critical: MySQL (3306) from the whole internet in database (sg-0123456789abcdef1)")
	assert.Empty(t, first.Suppressions)
	require.Len(t, exempt.Suppressions, 1)
	assert.Equal(t, sarifSuppression{"external", "accepted", "exception partner-replica, owner data-platform@example.com, until 2027-03-31"}, exempt.Suppressions[0])
	assert.Equal(t, unsettledRule, unknown.RuleID)
	assert.Equal(t, "9.5", run.Tool.Driver.Rules[0].Properties.SecuritySeverity)
	assert.Equal(t, "warning", run.Results[2].Level)
	assert.Equal(t, "5.5", run.Tool.Driver.Rules[run.Results[2].RuleIndex].Properties.SecuritySeverity)
}

func TestARuleIsRankedByTheWorstThatItWasMetWith(t *testing.T) {
	low, high := replayed().entries[0], replayed().entries[0]
	low.Severity, high.Severity = policy.Low, policy.High
	log := assertSARIF(t, sarifSchema(t), written(t, SARIF, scenario{run: runOf(Replay), entries: []Entry{low, high, low}}, Options{}))
	require.Len(t, log.Runs[0].Tool.Driver.Rules, 1)
	assert.Equal(t, "8.0", log.Runs[0].Tool.Driver.Rules[0].Properties.SecuritySeverity)
	assert.Equal(t, []string{"note", "error", "note"}, []string{log.Runs[0].Results[0].Level, log.Runs[0].Results[1].Level, log.Runs[0].Results[2].Level})
}

func TestADifferenceOfTheOtherPolicyIsLocatedInIt(t *testing.T) {
	log := assertSARIF(t, sarifSchema(t), written(t, SARIF, compared(), Options{}))
	last := log.Runs[0].Results[5]
	assert.Equal(t, []any{"world-open-all", "note", "strict.yaml"}, []any{last.RuleID, last.Level, last.Locations[0].Physical.Artifact.URI})
	assert.Contains(t, last.Message.Text, "left alone → would alert low")
	assert.Empty(t, log.Runs[0].Results[4].Suppressions, "a difference is told, even where one of the two exempts")
}

func TestFileNamesBecomeURIs(t *testing.T) {
	for file, want := range map[string]sarifArtifact{
		"policy.yaml":         {"policy.yaml", "%SRCROOT%"},
		"./team a/100%.yaml":  {"team%20a/100%25.yaml", "%SRCROOT%"},
		"/etc/sgward/x.yaml":  {"file:///etc/sgward/x.yaml", ""},
		"a:b.yaml":            {"./a:b.yaml", "%SRCROOT%"},
		"../team/policy.yaml": {"../team/policy.yaml", "%SRCROOT%"},
	} {
		assert.Equal(t, want, artifact(file))
	}
}

func TestARNsAreThoseOfTheRegionsPartition(t *testing.T) {
	for region, want := range map[string]string{
		"eu-central-1":   "arn:aws:ec2:eu-central-1:123456789012:security-group/sg-1",
		"cn-north-1":     "arn:aws-cn:ec2:cn-north-1:123456789012:security-group/sg-1",
		"us-gov-west-1":  "arn:aws-us-gov:ec2:us-gov-west-1:123456789012:security-group/sg-1",
		"us-iso-east-1":  "arn:aws-iso:ec2:us-iso-east-1:123456789012:security-group/sg-1",
		"eusc-de-east-1": "arn:aws-eusc:ec2:eusc-de-east-1:123456789012:security-group/sg-1",
		"":               "arn:aws:ec2::123456789012:security-group/sg-1", // not known
	} {
		assert.Equal(t, want, arnOf("security-group", "123456789012", region, "sg-1"))
	}
}

func TestNoTwoResultsShareAFingerprint(t *testing.T) {
	log := assertSARIF(t, sarifSchema(t), written(t, SARIF, audited(), Options{}))
	seen := map[string]bool{} // code scanning takes results with equal fingerprints for one
	for _, r := range log.Runs[0].Results {
		assert.NotEmpty(t, r.Fingerprints.Line)
		assert.False(t, seen[r.Fingerprints.Line], r.Message.Text)
		seen[r.Fingerprints.Line] = true
	}
	assert.Len(t, seen, 6)
}

func TestWhatGitHubWouldRefuseIsLeftOutWithAWord(t *testing.T) {
	type level struct {
		severity policy.Severity
		n        int
	}
	for name, c := range map[string]struct {
		in                     []level
		errors, others, notice int
	}{
		"as many as GitHub takes":   {[]level{{policy.Low, 25_000}}, 0, 25_000, 0},
		"errors come last":          {[]level{{policy.Low, 30_000}, {policy.High, 100}}, 100, 24_900, 5_100},
		"errors fill the places":    {[]level{{policy.Low, 21_000}, {policy.Critical, 7_000}}, 5_000, 20_000, 3_000},
		"more errors than it takes": {[]level{{policy.Critical, 26_000}, {policy.Low, 1}}, 25_000, 0, 1_001},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			w, err := New(SARIF, &out, runOf(Check), Options{})
			require.NoError(t, err)
			for _, l := range c.in {
				for range l.n {
					require.NoError(t, w.Entry(Entry{Finding: finding.Finding{Verdict: policy.Alert, Severity: l.severity}}))
				}
			}
			require.NoError(t, w.Close(Coverage{}))
			var log sarifLog // the schema would take a second a run
			require.NoError(t, json.Unmarshal([]byte(out.String()), &log))
			errors := 0
			for _, r := range log.Runs[0].Results {
				if r.Level == "error" {
					errors++
				}
			}
			assert.Equal(t, [2]int{c.errors, c.others}, [2]int{errors, len(log.Runs[0].Results) - errors})
			if c.notice == 0 {
				assert.Empty(t, log.Runs[0].Invocations[0].Notifications)
				return
			}
			assert.Equal(t, text.Thousands(c.notice)+" more results not listed: GitHub takes 25,000 results at most. The formats json and csv list all.",
				log.Runs[0].Invocations[0].Notifications[0].Message.Text)
		})
	}
}
