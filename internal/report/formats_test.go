package report

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"html"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/text"
)

// all are the entries of a scenario in the order in which they are written.
func (s scenario) all() []Entry {
	out := s.entries
	for _, g := range s.groups {
		out = append(out, g.entries...)
	}
	return out
}

func TestAFormatIsReadByItsName(t *testing.T) {
	for _, f := range Formats() {
		_, err := New(f, &strings.Builder{}, Run{}, Options{})
		assert.NoError(t, err)
	}
	_, err := New("xml", &strings.Builder{}, Run{}, Options{})
	assert.ErrorContains(t, err, `"xml"`)
	_, err = New(Text, &strings.Builder{}, Run{}, Options{Limit: -1})
	assert.ErrorContains(t, err, "limit -1")
}

func TestAJSONLineIsTheEntry(t *testing.T) {
	for name, s := range scenarios() {
		t.Run(name, func(t *testing.T) {
			var got []Entry
			for line := range strings.Lines(written(t, JSON, s, Options{})) {
				var e Entry
				decoder := json.NewDecoder(strings.NewReader(line))
				decoder.DisallowUnknownFields()
				require.NoError(t, decoder.Decode(&e))
				got = append(got, e)
			}
			want := s.all()
			for i := range want {
				want[i] = s.run.complete(want[i])
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestOneJSONLineBeginsWithTheFinding(t *testing.T) {
	first, _, _ := strings.Cut(written(t, JSON, replayed(), Options{}), "\n")
	assert.True(t, strings.HasPrefix(first, `{"id":"f-0000000000000001","decision":"revoke","severity":"critical","statementId":"world-open-database",`), first)
	assert.NotContains(t, first, "compared")
	assert.Contains(t, written(t, JSON, scenario{entries: []Entry{{}}}, Options{}), `"reasons":[]`, "never null")
}

func TestWhatCannotBeEncodedIsNamed(t *testing.T) {
	e := replayed().entries[0]
	nan := math.NaN()
	e.ExposureSeconds = &nan
	for _, f := range []Format{JSON, SARIF} {
		w, err := New(f, &strings.Builder{}, Run{}, Options{})
		require.NoError(t, err)
		assert.ErrorContains(t, w.Entry(e), "encoding")
	}
}

// TestACSVReadsBack takes the apostrophes away and compares with the entry.
func TestACSVReadsBack(t *testing.T) {
	s := replayed()
	s.entries[0].GroupName, s.entries[1].GroupName, s.entries[2].GroupName = "=1+1", "'quoted'", `a "b", c`
	s.entries[3].Rule = secgrouptest.Rule("ingress all traffic from 0.0.0.0/0")
	s.entries[3].Rule.Description = "-1+1"
	rows, err := csv.NewReader(strings.NewReader(written(t, CSV, s, Options{}))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+len(s.entries))
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	require.Len(t, at, len(columnsOfCSV()), "no name twice")
	for i, e := range s.entries {
		row := rows[i+1]
		cell := func(name string) string { return strings.TrimPrefix(row[at[name]], "'") }
		assert.Equal(t, []string{e.ID, e.Verdict.String(), e.AccountID, e.GroupName}, []string{cell("id"), cell("decision"), cell("accountId"), cell("groupName")})
		if e.Rule != nil {
			assert.Equal(t, []string{e.Rule.Description, e.Rule.Permission.Peer.String(), string(e.Rule.Permission.Protocol)}, []string{cell("description"), cell("cidrIpv4"), row[at["ipProtocol"]]})
		}
		assert.Equal(t, e.Event.EventTime.Format("2006-01-02T15:04:05Z"), cell("eventTime"))
	}
	assert.Equal(t, "'=1+1", rows[1][at["groupName"]])
	assert.Equal(t, "''quoted'", rows[2][at["groupName"]])
	assert.Equal(t, "'-1+1", rows[4][at["description"]])
}

func TestACellIsDefusedByItsFirstCharacter(t *testing.T) {
	for _, first := range []string{"=", "+", "-", "@", "'", "＝", "＋", "－", "＠", "\t", "\r", "\n"} {
		assert.Equal(t, "'"+first+"x", defused(first+"x"))
	}
	for _, harmless := range []string{"", "-1", "-65535", "0", "a=1", "10.0.0.0/8", "日本"} {
		assert.Equal(t, harmless, defused(harmless))
	}
	assert.Equal(t, "'+1", defused("+1"), "no number as we write them")
	assert.Equal(t, "'-1-1", defused("-1-1"))
}

func TestCSVHasEveryFieldOfAnEntry(t *testing.T) {
	s := advised(poisoned("zz")["compare"])
	first := s.entries[0]
	for _, peer := range []string{"0.0.0.0/0", "::/0", "123456789012/sg-0123456789abcdef0"} { // and the list that it has
		e := first
		e.Rule = secgrouptest.TCP(22, peer)
		s.entries = append(s.entries, e)
	}
	rows, err := csv.NewReader(strings.NewReader(written(t, CSV, s, Options{}))).ReadAll()
	require.NoError(t, err)
	for i, name := range rows[0] {
		if name != "union" && name != "fromRequest" {
			assert.True(t, slices.ContainsFunc(rows[1:], func(row []string) bool { return row[i] != "" }), name)
		}
	}
}

func TestCSVEndsLinesAsRFC4180Says(t *testing.T) {
	out := written(t, CSV, replayed(), Options{})
	assert.Equal(t, strings.Count(out, "\n"), strings.Count(out, "\r\n"))
	assert.Equal(t, 1, strings.Count(written(t, CSV, emptyReplay(), Options{}), "\n"), "the header alone")
}

var escapeCode = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestColourAddsNothingButColour(t *testing.T) {
	for name, s := range scenarios() {
		plain, colored := written(t, Text, s, Options{}), written(t, Text, s, Options{Color: true})
		assert.NotContains(t, plain, "\x1b", name)
		assert.Contains(t, colored, "\x1b[1m", name)
		assert.Equal(t, plain, escapeCode.ReplaceAllString(colored, ""), name)
	}
}

func TestTextKeepsToItsWidth(t *testing.T) {
	for name, s := range scenarios() {
		for _, width := range []int{40, 60, 80, 100, 200} {
			for line := range strings.Lines(written(t, Text, s, Options{Width: width})) {
				line = strings.TrimSuffix(line, "\n")
				if !strings.Contains(strings.TrimSpace(line), " ") {
					continue // a single word may be longer
				}
				// Tables have a label of twenty characters and their numbers at least.
				assert.LessOrEqual(t, utf8.RuneCountInString(line), max(width, 64), "%s at %d: %q", name, width, line)
			}
		}
	}
}

func TestQuietTextIsFindingsAndProblemsOnly(t *testing.T) {
	quiet := Options{Quiet: true}
	assert.Empty(t, written(t, Text, emptyReplay(), quiet))
	assert.Equal(t, "This report is incomplete: 2 problems\n", firstLine(written(t, Text, incompleteAudit(), quiet)))
	out := written(t, Text, replayed(), quiet)
	assert.Equal(t, "Findings, worst first\n", firstLine(out))
	assert.Equal(t, 9, strings.Count(out, "2026-"), "one line each")
	quiet.Details = true
	assert.Equal(t, 9, strings.Count(written(t, Text, replayed(), quiet), "logs/2026/"))
	out = written(t, Text, audited(), quiet)
	assert.NotContains(t, out, "launch-wizard")
	assert.NotContains(t, out, "now:")
	assert.Contains(t, out, "ingress tcp 22 from 0.0.0.0/0")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line + "\n"
}

func TestALimitIsStated(t *testing.T) {
	out := written(t, Text, replayed(), Options{Limit: 2})
	assert.Contains(t, out, "Findings, worst first (2 of 9; --format json lists all)")
	assert.Contains(t, out, "9 findings\n          3  would have been closed", "counts are of all")
	assert.Equal(t, 2, strings.Count(out, " by role/")+strings.Count(out, " by user/"))
	assert.Contains(t, written(t, Text, audited(), Options{Limit: 1}), "(1 of 2; ")
	full := replayed()
	for range 100 {
		full.read.Problems = append(full.read.Problems, text.Problem{Place: "x", Text: "y"})
	}
	assert.Contains(t, written(t, Text, full, Options{}), "100 problems")
	assert.Contains(t, written(t, Text, full, Options{}), "and 50 more")
}

func TestNothingFoundSaysWhatWasLookedAt(t *testing.T) {
	none := emptyReplay()
	none.read.History.Changes = 0
	chosen := none
	chosen.run.Chosen = "since 2026-10-01"
	identical := compared()
	identical.entries = nil
	partlyRead := incompleteAudit()
	partlyRead.read.Inventory.Groups = 3
	noGroups := incompleteAudit()
	noGroups.read.Problems, noGroups.read.Inventory.Baseline = nil, -1
	for want, s := range map[string]scenario{
		"No findings: nothing read violates the policy.":                                                                                emptyReplay(),
		"No findings: the history holds no successful call that can open a group.":                                                      none,
		"No findings: none of the chosen calls was successful and can open a group.":                                                    chosen,
		"No differences: strict.yaml decides as policy.yaml does.":                                                                      identical,
		"No findings: no security group was read.":                                                                                      noGroups,
		"Nothing was judged: nothing could be read.":                                                                                    incompleteAudit(),
		"Only a part was judged: 2 problems kept the rest from being read. In that part: no new findings: the baseline holds them all.": partlyRead,
	} {
		assert.Contains(t, written(t, Text, s, Options{}), want)
		assert.Contains(t, written(t, HTML, s, Options{}), want)
	}
}

func TestATallyCountsWhatWasWritten(t *testing.T) {
	for name, want := range map[string][2]int{"replay": {9, 8}, "audit": {3, 2}, "compare": {6, 6}, "empty-replay": {0, 0}} {
		for _, f := range Formats() {
			w, err := New(f, &strings.Builder{}, scenarios()[name].run, Options{})
			require.NoError(t, err)
			tally := Count(w, "")
			require.NoError(t, scenarios()[name].write(tally))
			assert.Equal(t, want, [2]int{tally.Entries(), tally.Findings()}, name)
		}
	}
}

func TestFailOnCountsFindingsFromItsThresholdOn(t *testing.T) {
	findings := []struct {
		verdict  policy.Verdict
		severity policy.Severity
	}{
		{policy.Revoke, policy.Medium}, {policy.Undetermined, policy.Critical}, {policy.Undetermined, policy.NoSeverity},
		{policy.Alert, policy.Low}, {policy.Exempt, policy.Critical}, {policy.Compliant, policy.NoSeverity},
	}
	for failOn, want := range map[FailOn]string{
		"": "yyyynn", FailOnAlert: "yyyynn", FailOnInspect: "yyynnn", FailOnRevoke: "ynnnnn", FailOnNone: "nnnnnn",
		"critical": "nyynnn", "high": "nyynnn", "medium": "yyynnn", "low": "yyyynn",
	} {
		got := ""
		for _, f := range findings {
			got += map[bool]string{true: "y", false: "n"}[failOn.Counts(f.verdict, f.severity)]
		}
		assert.Equal(t, want, got, string(failOn))
	}
	for _, failOn := range FailOns() {
		tally := Count(newJSON(io.Discard, Run{}), failOn)
		require.NoError(t, tally.Entry(Entry{Finding: finding.Finding{Verdict: policy.Compliant}, Compared: &Compared{Verdict: policy.Revoke, Severity: policy.Critical}}))
		assert.Equal(t, failOn != FailOnNone, tally.Findings() == 1, "either side of a comparison counts: %s", failOn)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left on device")

func TestAFullDiskIsAnError(t *testing.T) {
	for _, f := range Formats() {
		w, err := New(f, full{}, runOf(Replay), Options{})
		require.NoError(t, err)
		tally := Count(w, "")
		err = replayed().write(tally)
		require.ErrorIs(t, err, errFull, string(f))
		assert.ErrorContains(t, err, "writing the report")
	}
	w, err := New(JSON, full{}, runOf(Replay), Options{})
	require.NoError(t, err)
	tally := Count(w, "")
	e := replayed().entries[0]
	e.Reasons = []policy.Reason{policy.Remark(strings.Repeat("x", 10_000))}
	require.ErrorIs(t, tally.Entry(e), errFull)
	assert.Zero(t, tally.Entries(), "what was not written does not count")
}

func TestCallersAreNamedWithWhatFindsThem(t *testing.T) {
	for want, e := range map[string]cloudtrail.Event{
		"arn:aws:iam::123456789012:role/deploy (session alice) from 198.51.100.7": {Actor: cloudtrail.Actor{ARN: "arn:aws:sts::123456789012:assumed-role/deploy/alice", SessionIssuerARN: "arn:aws:iam::123456789012:role/deploy"}, SourceIPAddress: "198.51.100.7"},
		"arn:aws:iam::123456789012:user/bob through cloudformation.amazonaws.com": {Actor: cloudtrail.Actor{ARN: "arn:aws:iam::123456789012:user/bob", InvokedBy: "cloudformation.amazonaws.com"}, SourceIPAddress: "cloudformation.amazonaws.com"},
		"autoscaling.amazonaws.com":              {Actor: cloudtrail.Actor{Type: "AWSService", InvokedBy: "autoscaling.amazonaws.com"}},
		"AWSAccount from 198.51.100.7":           {Actor: cloudtrail.Actor{Type: "AWSAccount"}, SourceIPAddress: "198.51.100.7"},
		"a caller that the record does not name": {},
	} {
		assert.Equal(t, want, callerText(&e))
	}
}

func TestOfInterfacesThatWereNotReadNoNumberIsReported(t *testing.T) {
	s := audited()
	text, page := written(t, Text, s, Options{}), written(t, HTML, s, Options{})
	assert.Contains(t, text, "        1  critical at a public address  forbidden, in groups that a public address uses\n")
	assert.Contains(t, text, "1 opening is forbidden and 1 is warned of, in 1 of 57 groups. Begin with the critical opening at a public address.\n")
	assert.NotContains(t, text+page, "not read")
	assert.NotContains(t, text+page, "not known")

	unread := s.groups[1]
	unread.AttachedKnown, unread.Attached = false, nil
	s.groups = append(s.groups, unread)
	const known = "forbidden, in groups that a public address uses; not known of 1 group"
	assert.Contains(t, written(t, Text, s, Options{}), "        1  critical at a public address  "+known+"\n")
	assert.Contains(t, written(t, HTML, s, Options{}), "<b>1</b><span>critical at a public address</span><small>"+known+"<")

	s.groups[1].Attached = nil
	assert.Contains(t, written(t, HTML, s, Options{}), "<b>0</b><span>critical at a public address</span><small>"+known+"<")
	assert.Contains(t, written(t, Text, s, Options{}), "No critical opening is at a public address.")

	s.groups = []judged{unread}
	const nothing = "the interfaces that use the groups were not read"
	assert.Contains(t, written(t, Text, s, Options{}), "        ?  critical at a public address  "+nothing+"\n")
	assert.Contains(t, written(t, Text, s, Options{}), "Which of the groups are in use was not read.")
	assert.Contains(t, written(t, HTML, s, Options{}), "<b class=\"words\">?</b><span>critical at a public address</span><small>"+nothing+"</small>")
}

// Within a severity, the group whose opening somebody can reach comes first.
func TestGroupsAreRankedByTheirUse(t *testing.T) {
	s := audited()
	ssh := s.groups[1].entries[0]
	group := func(name string, known bool, attached ...finding.Interface) judged {
		return judged{Group{ID: name, AttachedKnown: known, Attached: attached}, []Entry{ssh}}
	}
	public, private := finding.Interface{PublicIP: "203.0.113.10"}, finding.Interface{PrivateIP: "10.0.0.5"}
	egress := group("egress", true, public)
	egress.entries = []Entry{ssh}
	egress.entries[0].Rule = secgrouptest.Rule("egress tcp 22 to 0.0.0.0/0")
	alerted := group("alerted", true, public)
	alerted.entries = []Entry{ssh}
	alerted.entries[0].Verdict = policy.Alert
	s.groups = []judged{alerted, egress, group("unused", true), group("unknown", false), group("private", true, private), group("public", true, private, public)}
	out := written(t, JSON, s, Options{})
	assert.Equal(t, 6, strings.Count(out, "\n"))
	out = written(t, Text, s, Options{Quiet: true})
	var got []string
	for line := range strings.Lines(out) {
		for _, name := range []string{"alerted", "egress", "unused", "unknown", "private", "public"} {
			if strings.Contains(line, "  "+name) {
				got = append(got, name)
			}
		}
	}
	assert.Equal(t, []string{"public", "private", "unknown", "unused", "egress", "alerted"}, got, out)
}

func TestReplayBeginsWithTheSentenceThatDecides(t *testing.T) {
	s := replayed()
	assert.Contains(t, written(t, Text, s, Options{}),
		"\nIn 92 days sgward would have closed 3 openings by 2 callers, reported 3 more, looked at EC2 for 2 and left 1,869 rules alone. 1 of the 3 is still open where the history ends.\n")
	s.entries = s.entries[2:3]
	assert.Contains(t, written(t, HTML, s, Options{}), "In 92 days sgward would have closed nothing, reported 1 opening and left 1,868 rules alone.<")
	s.read.History.Last = s.read.History.First
	assert.Contains(t, written(t, HTML, s, Options{}), ">sgward would have closed nothing")
	s = replayed()
	all := s.entries
	s.read.History.Last, s.read.History.Compliant = s.read.History.First, 0
	const reported, open, inspect, unknown, lastReported, forbidden = 2, 3, 5, 6, 8, 0
	for want, of := range map[string][]int{
		"closed 1 opening by 1 caller.":                                                                       {forbidden},
		"closed 1 opening by 1 caller and reported 1 more.":                                                   {forbidden, lastReported},
		"closed 1 opening by 1 caller. The history does not show the opening closed.":                         {open},
		"closed nothing and reported 1 opening.":                                                              {reported},
		"closed nothing and reported 1 opening. The history does not show the opening closed.":                {lastReported},
		"closed nothing and reported 2 openings. 1 of the 2 is still open where the history ends.":            {reported, lastReported},
		"closed nothing and looked at EC2 for 2 openings. 1 of the 2 is still open where the history ends.":   {inspect, unknown},
		"closed nothing, reported 1 opening and looked at EC2 for 1. The history shows none of the 2 closed.": {lastReported, unknown},
		"closed nothing and left 1 rule alone.":                                                               {4},
	} {
		s.entries = nil
		for _, i := range of {
			s.entries = append(s.entries, all[i])
		}
		assert.Contains(t, written(t, Text, s, Options{}), "\nsgward would have "+want+"\n")
	}
	s.entries = all[inspect:unknown]
	assert.Contains(t, written(t, Text, s, Options{}), "1  needs a look at EC2")
	for d, want := range map[time.Duration]string{90 * 24 * time.Hour: "90 days", 47 * time.Hour: "2 days", 46 * time.Hour: "46 hours", 100 * time.Minute: "2 hours", 61 * time.Second: "1 minute"} {
		assert.Equal(t, want, roughly(d))
	}
}

// advised gives a scenario statements and next steps.
func advised(s scenario) scenario {
	s.run.Statement = func(id string) (policy.StatementRef, bool) {
		return policy.StatementRef{ID: id, Description: "Anyone can <b>try</b> [it].", Runbook: "https://wiki.example.com/" + id, Controls: []string{"EC2.18", "CIS 5.2"}}, id != ""
	}
	s.run.CloseCommand = func(*Entry) string { return "aws ec2 revoke 'x y'" }
	s.run.NextSteps = func(*Entry) NextSteps {
		return NextSteps{Close: "aws ec2 revoke 'x y'", Exception: "- id: <x>\n", GroupURL: "https://console.aws.amazon.com/g", EventURL: "https://console.aws.amazon.com/e"}
	}
	return s
}

func TestFindingsSayWhatToDo(t *testing.T) {
	for _, s := range []scenario{advised(audited()), advised(replayed()), advised(compared())} {
		page := written(t, HTML, s, Options{})
		assertPage(t, page)
		for _, want := range []string{
			"Anyone can &lt;b&gt;try&lt;/b&gt; [it].", `<a href="https://wiki.example.com/world-open-admin" rel="noopener noreferrer">Runbook</a>`,
			"controls EC2.18, CIS 5.2", "aws ec2 revoke &#39;x y&#39;", "- id: &lt;x&gt;", `href="https://console.aws.amazon.com/g"`,
		} {
			assert.Contains(t, page, want)
		}
		text := written(t, Text, s, Options{Details: true})
		for _, want := range []string{"Anyone can <b>try</b> [it].\n", "runbook: https://wiki.example.com/world-open-admin\n", "controls: EC2.18, CIS 5.2\n", "close it: aws ec2 revoke 'x y'\n"} {
			assert.Contains(t, text, want)
		}
		assert.NotContains(t, text, "id: <x>", "it depends on the day")
		first, _, _ := strings.Cut(written(t, JSON, s, Options{}), "\n")
		assert.Contains(t, first, `"title":"`)
		assert.Contains(t, first, `"closeCommand":"aws ec2 revoke 'x y'","controls":["EC2.18","CIS 5.2"],"runbook":"https://wiki.example.com/world-open-`)
		log := assertSARIF(t, sarifSchema(t), written(t, SARIF, s, Options{}))
		for _, rule := range log.Runs[0].Tool.Driver.Rules {
			if rule.ID == "world-open-admin" {
				assert.Equal(t, `world-open-admin: Anyone can <b>try</b> \[it\].`, rule.ShortDescription.Text)
				assert.Contains(t, rule.Help.Text, "Runbook: https://wiki.example.com/world-open-admin .")
			}
		}
	}
}

func TestAttachedInterfacesAreNamedByWhatIsBehindThem(t *testing.T) {
	a := finding.Interface{
		ID: "eni-1", PrivateIP: "10.0.0.5", PublicIP: "203.0.113.10", MorePublicIPs: []string{"203.0.113.11"}, IPv6Addresses: []string{"2001:db8::1", "fd00::1", "fe80::1", "none"},
		InstanceID: "i-1", Service: "load balancer app/web/1", Description: "ELB app/web/1",
	}
	assert.Equal(t, "eni-1, load balancer app/web/1, i-1 (public 203.0.113.10; 203.0.113.11; 2001:db8::1)", interfaceText(&a))
	assert.Equal(t, "eni-2, Primary", interfaceText(&finding.Interface{ID: "eni-2", Description: "Primary"}))
	assert.Equal(t, 1, (&Group{Attached: []finding.Interface{a, {IPv6Addresses: []string{"fd00::1"}}}}).public())
	c := newCollector(nil, Run{}, limits{interfaces: 2}, nil)
	assert.Equal(t, "not known", c.groupViewOf(&Group{}).Attached, "not known is not none")
	assert.Equal(t, "nothing", c.groupViewOf(&Group{AttachedKnown: true}).Attached)
	private := finding.Interface{ID: "eni-3"}
	v := c.groupViewOf(&Group{AttachedKnown: true, Attached: []finding.Interface{private, a, private}})
	assert.Equal(t, "3 interfaces, 1 public", v.Attached)
	assert.Equal(t, []string{interfaceText(&a), "eni-3"}, v.Interfaces.Items, "those at a public address first")
	assert.Equal(t, "and 1 more", v.Interfaces.More())
}

func TestARuleIsShownAsFarAsItIsKnown(t *testing.T) {
	assert.Equal(t, "rules that the record leaves out", ruleText(nil))
	assert.Equal(t, "unknown tcp 9 from 0.0.0.0/0", ruleText(secgrouptest.Rule("unknown tcp 9 from 0.0.0.0/0")))
}

func TestTextAndHTMLPrintOneSummary(t *testing.T) {
	printed := 0
	for name, s := range scenarios() {
		c := newCollector(nil, s.run, limits{rows: 10, findings: 1, groups: 1, groupFindings: 1, buckets: 16}, func(_ io.Writer, sum *Summary) error {
			plain, page := written(t, Text, s, Options{Width: 400}), html.UnescapeString(written(t, HTML, s, Options{}))
			for _, line := range append(sum.Read, sum.Judged, sum.Empty) {
				assert.Contains(t, plain, line, name)
				assert.Contains(t, page, line, name)
			}
			for _, tile := range sum.Tiles {
				assert.Regexp(t, regexp.QuoteMeta(tile.Value+"  "+tile.Label)+" +"+regexp.QuoteMeta(tile.Note), plain, name)
				assert.Contains(t, page, tile.Value+"</b><span>"+tile.Label+"</span><small>"+tile.Note+"</small>", name)
				printed++
			}
			for _, b := range sum.Breakdowns {
				for _, row := range b.Rows.Items {
					assert.Contains(t, plain, "\n  "+row.Label+" ", name)
					assert.Contains(t, page, `<span class="label">`+row.Label+"</span>", name)
					printed++
				}
			}
			for _, change := range sum.Changes {
				assert.Contains(t, plain, "  "+change.Meaning+"\n", name)
				assert.Contains(t, page, "<td>"+change.Meaning+"</td>", name)
				printed++
			}
			return nil
		})
		require.NoError(t, s.write(c))
	}
	assert.Greater(t, printed, 30)
}
