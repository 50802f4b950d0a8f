package inventory

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/inventory/dumptest"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

const (
	webID  = "sg-0123456789abcdef0"
	dbID   = "sg-0123456789abcdef1"
	listID = "pl-0123456789abcdef0"
)

func source(name, text string) Source {
	return Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return string(data)
}

func read(t testing.TB, sources ...Source) *Snapshot {
	t.Helper()
	s, err := ReadDumps(t.Context(), sources, "", nil)
	require.NoError(t, err)
	return s
}

// sound reads fixtures that nothing is wrong with.
func sound(t testing.TB, names ...string) *Snapshot {
	t.Helper()
	var sources []Source
	for _, name := range names {
		sources = append(sources, source(name, fixture(t, name)))
	}
	s := read(t, sources...)
	require.Empty(t, s.Problems)
	return s
}

func permissions(g secgroup.Group) []string {
	var out []string
	for _, r := range g.Rules {
		out = append(out, r.Permission.String())
	}
	return out
}

func texts(problems []Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Place+": "+p.Text)
	}
	return out
}

func TestADumpOfGroupsTellsEveryPeerAsARule(t *testing.T) {
	s := sound(t, "groups.json")
	require.Len(t, s.Groups, 3)
	web := s.Groups[0]
	assert.Equal(t, []string{
		"ingress icmp type 8 from 10.0.0.0/8",
		"ingress tcp 22 from 0.0.0.0/0", "ingress tcp 22 from 203.0.113.0/24", "ingress tcp 22 from pl-0123456789abcdef0",
		"ingress tcp 443 from 0.0.0.0/0", "ingress tcp 443 from ::/0",
		"egress all traffic to 0.0.0.0/0", "egress all traffic to ::/0",
	}, permissions(web))
	assert.Equal(t, []any{webID, "web", "vpc-0123456789abcdef0", "web servers", "123456789012", "us-east-1"},
		[]any{web.ID, web.Name, web.VPCID, web.Description, web.OwnerID, web.Region})
	assert.Equal(t, []secgroup.Tag{{Key: "team", Value: "shop"}}, web.Tags)
	assert.True(t, web.TagsKnown)
	assert.Equal(t, []string{"", "", "office", "offices", "everybody", "", "", ""}, descriptions(web))
	for _, r := range web.Rules {
		assert.Equal(t, []string{webID, "123456789012"}, []string{r.GroupID, r.OwnerID})
	}
	assert.Equal(t, []string{
		"ingress tcp 5432 from 0.0.0.0/1", "ingress tcp 5432 from 128.0.0.0/1",
		"ingress tcp 5432 from 123456789012/sg-0123456789abcdef0", "ingress tcp 5432 from 111122223333/sg-0fedcba9876543210",
	}, permissions(s.Groups[1]))
	assert.Empty(t, s.Groups[2].Rules)
}

func descriptions(g secgroup.Group) []string {
	var out []string
	for _, r := range g.Rules {
		out = append(out, r.Description)
	}
	return out
}

func TestOldAnswersTellTheSameButWhereTheyAreFrom(t *testing.T) {
	now, then := sound(t, "groups.json"), sound(t, "groups-v1.json")
	for i := range now.Groups {
		assert.Empty(t, then.Groups[i].Region)
		then.Groups[i].Region = "us-east-1"
	}
	assert.Equal(t, now.Groups, then.Groups)
	s, err := ReadDumps(t.Context(), []Source{source("groups-v1.json", fixture(t, "groups-v1.json"))}, "us-east-1", nil)
	require.NoError(t, err)
	assert.Equal(t, now.Groups, s.Groups, "told by the caller")
}

func TestADumpOfRulesTellsTheSameRulesAndTheirIDs(t *testing.T) {
	groups, rules := sound(t, "groups.json"), sound(t, "rules.json")
	require.Len(t, rules.Groups, 2, "a group without rules is in no dump of rules")
	for i, g := range rules.Groups {
		assert.Equal(t, permissions(groups.Groups[i]), permissions(g))
		assert.Equal(t, descriptions(groups.Groups[i]), descriptions(g))
		assert.Equal(t, []any{groups.Groups[i].ID, "", false}, []any{g.ID, g.Name, g.TagsKnown})
		assert.Equal(t, []any{"123456789012", "us-east-1"}, []any{g.OwnerID, g.Region})
		for _, r := range g.Rules {
			assert.Regexp(t, `^sgr-[0-9a-f]{17}$`, r.ID)
		}
	}
}

func TestDumpsOfGroupsAndRulesJoinInAnyOrderAndNumber(t *testing.T) {
	groups, rules := sound(t, "groups.json"), sound(t, "rules.json")
	want := sound(t, "groups.json", "rules.json")
	require.Len(t, want.Groups, 3)
	for i, g := range rules.Groups {
		both := want.Groups[i]
		assert.Equal(t, g.Rules, both.Rules, "ids and tags of the dump of rules, and none twice")
		both.Rules = groups.Groups[i].Rules
		assert.Equal(t, groups.Groups[i], both, "names and VPC of the dump of groups")
	}
	assert.Contains(t, want.Groups[0].Rules, rules.Groups[0].Rules[3])
	for _, order := range [][]string{
		{"rules.json", "groups.json"}, {"groups.json", "rules.json", "groups.json", "rules.json"},
		{"groups-v1.json", "rules.json"}, {"rules.json", "groups-v1.json"},
	} {
		assert.Equal(t, want.Groups, sound(t, order...).Groups, "%v", order)
	}
	text := fixture(t, "rules.json") + fixture(t, "groups.json")
	assert.Equal(t, want.Groups, read(t, source("both", text)).Groups, "one after the other in one file")
}

func TestGroupsOfTwoAccountsAndRegionsStayApart(t *testing.T) {
	text := fixture(t, "groups.json")
	elsewhere := strings.ReplaceAll(text, "us-east-1", "eu-central-1")
	theirs := strings.ReplaceAll(text, "123456789012", "111122223333")
	s := read(t, source("a", text), source("b", elsewhere), source("c", theirs))
	require.Len(t, s.Groups, 9)
	var where []string
	for _, g := range s.Groups {
		where = append(where, g.OwnerID+" "+g.Region)
	}
	assert.True(t, slices.IsSorted(where), "%v", where)
	assert.Equal(t, permissions(sound(t, "groups.json").Groups[0]), permissions(s.Groups[3]))
}

func TestARegionIsTakenFromAVPCOnlyWhereAllAgreeOnIt(t *testing.T) {
	group := func(id, arn string) string {
		return `{"SecurityGroups": [{"GroupId": "` + id + `", "OwnerId": "123456789012", "VpcId": "vpc-0123456789abcdef0", "SecurityGroupArn": "` + arn + `", "IpPermissions": [], "IpPermissionsEgress": []}]}`
	}
	east, west := "arn:aws:ec2:us-east-1:123456789012:security-group/"+webID, "arn:aws:ec2:us-west-2:123456789012:security-group/"+dbID
	without := source("old.json", group("sg-0123456789abcdef2", ""))
	s := read(t, source("east.json", group(webID, east)), without)
	assert.Equal(t, "us-east-1", find(t, s, "sg-0123456789abcdef2").Region)
	for range 20 { // the order of a map is another each time
		s = read(t, source("east.json", group(webID, east)), source("more.json", group("sg-0123456789abcdef3", east)), source("west.json", group(dbID, west)), without)
		assert.Empty(t, find(t, s, "sg-0123456789abcdef2").Region)
	}
}

func TestDumpsAreReadHoweverTheyAreKept(t *testing.T) {
	want := sound(t, "groups.json").Groups
	text := fixture(t, "groups.json")
	for name, kept := range map[string]string{
		"gzipped": packed(t, "\ufeff"+text), "byte order mark": "\ufeff" + text, "DOS lines": strings.ReplaceAll(text, "\n", "\r\n"),
		"one line": strings.Join(strings.Fields(text), " "),
	} {
		s := read(t, source(name, kept))
		assert.Empty(t, s.Problems, name)
		assert.Equal(t, permissions(want[0]), permissions(s.Groups[0]), name)
		assert.Len(t, s.Groups, 3, name)
	}
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.String()
}

func TestAnEmptyListOfGroupsIsClean(t *testing.T) {
	s := read(t, source("a", `{"SecurityGroups": []}`), source("b", `{"SecurityGroupRules": [], "NextToken": null}`), source("c", `{"SecurityGroups": [], "NextToken": ""}`))
	assert.Empty(t, s.Problems)
	assert.Empty(t, s.Groups)
}

func TestADumpThatIsNotWholeIsNamedAndTheOthersAreJudged(t *testing.T) {
	text := fixture(t, "groups.json")
	group := func(member, with string) string { return strings.Replace(text, member, with, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"more pages":           {group(`"SecurityGroups": [`, `"NextToken": "eyJ0", "SecurityGroups": [`), "is incomplete: it ends with a NextToken"},
		"more pages, earlier":  {`{"SecurityGroups": [], "NextToken": "eyJ0"}` + text, "is incomplete: it ends with a NextToken"},
		"cut off":              {text[:len(text)/2], "is cut off: it ends too early; the rest was not judged"},
		"cut off at the end":   {strings.TrimRight(text, "\n}"), "is cut off: it ends too early"},
		"without a comma":      {strings.Replace(text, "},\n        {\n            \"GroupId\": \"sg-0123456789abcdef1", "}\n        {\n            \"GroupId\": \"sg-0123456789abcdef1", 1), "line 89, element 1: is not JSON: invalid character '{' after array element (expecting ',' or ']'); the rest was not judged"},
		"without a quote":      {group(`"web servers"`, `"web servers`), "is not JSON"},
		"empty":                {"", "is empty; want the whole answer of aws ec2 describe-security-groups"},
		"blank":                {" \n", "holds nothing; want the whole answer"},
		"a list":               {`[{"GroupId": "sg-0123456789abcdef0"}]`, "line 1: is a list, perhaps of --query; want the whole answer"},
		"an empty list":        {`[]`, "holds nothing; want the whole answer"},
		"a number":             {`17`, "is not an answer of the AWS CLI"},
		"an empty object":      {`{}`, "is an object without members"},
		"another answer":       {`{"Reservations": [], "Foo": 1, "Bar": 2, "Baz": 3}`, "is an object with Bar, Baz, Foo, ...; want"},
		"no list":              {`{"SecurityGroups": null}`, "is an object whose SecurityGroups is not a list; want"},
		"a history":            {`{"Records": [{"eventName": "AuthorizeSecurityGroupIngress"}]}`, "is an object with Records, perhaps a history for sgward replay"},
		"text":                 {"An error occurred (ExpiredToken)", "is not JSON: invalid character 'A' at start of value; want the whole answer of aws ec2"},
		"UTF-16":               {"\xff\xfe{\x00", "is UTF-16: want UTF-8"},
		"half of a gzip":       {packed(t, text)[:400], "is cut off: the gzip data ends too early"},
		"no gzip":              {"\x1f\x8bx" + text, "cannot be inflated: gzip: invalid header"},
		"no group":             {group(`"GroupId": "sg-0123456789abcdef0",`, ``), "line 3, SecurityGroups element 1: is not complete: GroupId is missing; it was not judged"},
		"no rules":             {group(`"IpPermissions":`, `"IpPermission":`), "is not complete: IpPermissions of sg-0123456789abcdef0 is missing, perhaps left out by --query; no ingress rules of it were judged"},
		"no egress":            {group(`"IpPermissionsEgress":`, `"IpPermissionsEgres":`), "is not complete: IpPermissionsEgress of sg-0123456789abcdef0 is missing, perhaps left out by --query; no egress rules of it were judged"},
		"a port that is none":  {group(`"FromPort": 443`, `"FromPort": "443"`), "IpPermissions[0].FromPort holds the wrong kind of value, a JSON string"},
		"an element of no use": {`{"SecurityGroups": [17]}`, "holds the wrong kind of value, a JSON number"},
		"bad escape":           {group(`"web servers"`, `"web \x servers"`), "invalid escape sequence"},
		"a rule of no group":   {`{"SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-0123456789abcdef0"}]}`, `GroupId of rule "sgr-0123456789abcdef0" is missing`},
		"entries of no list":   {`{"Entries": [{"Cidr": "203.0.113.0/24"}, {"Cidr": "198.51.100.0/24"}]}`, "name the file after it, such as pl-0123456789abcdef0.json"},
		"lists, no entries":    {`{"PrefixLists": [{"PrefixListId": "pl-0123456789abcdef0", "State": "create-complete"}]}`, "Cidrs of pl-0123456789abcdef0 is missing, and so is OwnerId: get-managed-prefix-list-entries has the entries"},
		"an entry of no use":   {`{"PrefixLists": [{"PrefixListId": "pl-0123456789abcdef0", "Cidrs": ["203.0.113.7"]}]}`, `"203.0.113.7" is not a CIDR`},
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, text, c.text, "it was spoiled")
			s := read(t, source("broken.json", c.text), source("rules.json", fixture(t, "rules.json")))
			require.Len(t, s.Problems, 1, "%v", texts(s.Problems))
			assert.Equal(t, "broken.json", s.Problems[0].Place)
			assert.Contains(t, s.Problems[0].Text, c.want)
			assert.Equal(t, sound(t, "rules.json").Groups[0].Rules, find(t, s, webID).Rules, "the other file is judged")
		})
	}
}

func find(t testing.TB, s *Snapshot, id string) secgroup.Group {
	t.Helper()
	i := slices.IndexFunc(s.Groups, func(g secgroup.Group) bool { return g.ID == id })
	require.GreaterOrEqual(t, i, 0, id)
	return s.Groups[i]
}

func TestWhatStandsBeforeTheDamageIsJudged(t *testing.T) {
	text := fixture(t, "groups.json")
	cut := text[:strings.Index(text, `"sg-0123456789abcdef2"`)]
	s := read(t, source("cut.json", cut))
	assert.Len(t, s.Groups, 2)
	assert.Len(t, s.Problems, 1)
}

func TestAFileThatCannotBeOpenedIsNamed(t *testing.T) {
	gone := Source{Name: "gone.json", Open: func() (io.ReadCloser, error) { return os.Open("testdata/gone.json") }}
	s := read(t, gone, source("groups.json", fixture(t, "groups.json")))
	assert.Equal(t, []string{"gone.json: " + fs.ErrNotExist.Error()[len("file does not exist"):] + "no such file or directory"}, texts(s.Problems))
	assert.Len(t, s.Groups, 3)
}

func TestARuleThatCannotBeUnderstoodIsNamedInItsGroup(t *testing.T) {
	const head = `{"SecurityGroups": [{"GroupId": "sg-0123456789abcdef0", "IpPermissionsEgress": [], "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}, `
	for name, c := range map[string]struct{ permission, want string }{
		"no CIDR":          {`{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0"}]}`, `IpPermissions[1].IpRanges[0]: reading rule "" of sg-0123456789abcdef0: parsing CIDR "0.0.0.0"`},
		"no protocol":      {`{"FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}`, "parsing protocol"},
		"one port":         {`{"IpProtocol": "tcp", "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}`, "IpPermissions[1].IpRanges[0]"},
		"no peer":          {`{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": []}`, "IpPermissions[1] has no peer: want IpRanges"},
		"a slip":           {`{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}], "Ipv6Range": [{"CidrIpv6": "::/0"}]}`, `IpPermissions[1] has a list "Ipv6Range", which is unknown`},
		"a peer of no use": {`{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupName": "amazon-elb-sg"}]}`, "IpPermissions[1].UserIdGroupPairs[0]"},
	} {
		s := read(t, source("groups.json", head+c.permission+`]}]}`))
		require.Empty(t, s.Problems, name)
		require.Len(t, s.Groups[0].Unread, 1, name)
		assert.Contains(t, s.Groups[0].Unread[0], c.want, name)
		assert.Contains(t, permissions(s.Groups[0]), "ingress tcp 22 from 10.0.0.0/8", "%s: the others are judged", name)
	}
	s := read(t, source("rules.json", `{"SecurityGroupRules": [{"GroupId": "sg-0123456789abcdef0", "SecurityGroupRuleId": "sgr-0123456789abcdef0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"}]}`))
	require.Len(t, s.Groups, 1)
	assert.Equal(t, []string{`reading rule "sgr-0123456789abcdef0" of sg-0123456789abcdef0: isEgress is missing`}, s.Groups[0].Unread)
}

func TestMembersThatAreNewToThisBuildAreNoProblem(t *testing.T) {
	text := strings.Replace(fixture(t, "groups.json"), `"IpProtocol"`, `"Colour": "green", "Extra": [], "IpProtocol"`, 1)
	text = strings.Replace(text, `"GroupName"`, `"Shape": {"Corners": [1, 2]}, "Owners": ["[a]"], "GroupName"`, 1)
	s := read(t, source("groups.json", text))
	assert.Empty(t, s.Problems)
	assert.Equal(t, sound(t, "groups.json").Groups, s.Groups)
}

// A dump without one of its bytes is a problem, or tells of as many rules.
func TestNoByteThatIsMissingHidesARule(t *testing.T) {
	for _, name := range []string{"groups.json", "rules.json"} {
		// Without its 1 the other half of the world would be the first half once more.
		text := strings.Join(strings.Fields(strings.ReplaceAll(fixture(t, name), "128.0.0.0/1", "128.0.0.0/2")), " ")
		count := func(s *Snapshot) (rules int, unread bool) {
			for _, g := range s.Groups {
				rules += len(g.Rules)
				unread = unread || len(g.Unread) > 0
			}
			return rules, unread
		}
		want, _ := count(sound(t, name))
		for i := range text {
			s := read(t, source("a", text[:i]+text[i+1:]))
			if rules, unread := count(s); len(s.Problems) == 0 && !unread {
				require.Equal(t, want, rules, "%s without byte %d: %s", name, i, text[max(0, i-30):min(len(text), i+10)])
			}
		}
	}
}

func TestOnlyATokenOfAnAnswerSaysThatMorePagesFollow(t *testing.T) {
	for text, want := range map[string]bool{
		`{"SecurityGroups": [], "NextToken": "x"}`: true, "{\"NextToken\"\n :\t\"x\", \"SecurityGroups\": []}": true,
		`{"SecurityGroups": [], "NextToken": "x"} {"SecurityGroups": []}`: true,
		`{"SecurityGroups": [], "NextToken": ""}`:                         false, `{"SecurityGroups": [], "NextToken": null}`: false,
		`{"SecurityGroups": [], "Other": {"NextToken": "x"}}`:   false,
		`{"SecurityGroups": [], "Other": "\"NextToken\": \"x"}`: false,
	} {
		got := texts(read(t, source("a", text)).Problems)
		if !want {
			assert.Empty(t, got, text)
			continue
		}
		require.Len(t, got, 1, text)
		assert.Contains(t, got[0], "NextToken")
	}
}

func TestManyGroupsAreReadInTheirOrder(t *testing.T) {
	var dump bytes.Buffer
	require.NoError(t, dumptest.Groups(&dump, 500)) // many batches
	var bytes int
	sources := []Source{source("many.json", dump.String())}
	s, err := ReadDumps(t.Context(), sources, "", func(n int) { bytes += n })
	require.NoError(t, err)
	require.Empty(t, s.Problems)
	require.Len(t, s.Groups, 500)
	assert.Equal(t, dump.Len(), bytes)
	for i, g := range s.Groups {
		assert.Equal(t, fmt.Sprintf("sg-%017x", i), g.ID)
		require.Len(t, g.Rules, 50)
	}
	again, err := ReadDumps(t.Context(), sources, "", nil)
	require.NoError(t, err)
	assert.Equal(t, s, again)
}

func TestReadingEndsWhenItIsCancelled(t *testing.T) {
	var dump bytes.Buffer
	require.NoError(t, dumptest.Groups(&dump, 500))
	ctx, cancel := contextCancelledAfter(t, 100<<10)
	_, err := ReadDumps(ctx, []Source{source("many.json", dump.String())}, "", cancel)
	require.ErrorContains(t, err, "reading dumps: context canceled")
}

func contextCancelledAfter(t *testing.T, bytes int) (context.Context, func(int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, func(n int) {
		if bytes -= n; bytes <= 0 {
			cancel()
		}
	}
}

// withoutLists returns the fixture of groups as a projection that leaves out lists.
func withoutLists(t *testing.T, keys ...string) string {
	t.Helper()
	var dump struct{ SecurityGroups []map[string]any }
	require.NoError(t, json.Unmarshal([]byte(fixture(t, "groups.json")), &dump))
	for _, g := range dump.SecurityGroups {
		for _, key := range keys {
			delete(g, key)
		}
	}
	data, err := json.Marshal(dump)
	require.NoError(t, err)
	return string(data)
}

func TestAListThatIsMissingKeepsTheOtherFromNoJudgement(t *testing.T) {
	whole := sound(t, "groups.json").Groups
	side := func(g secgroup.Group, d secgroup.Direction) []string {
		g.Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r secgroup.Rule) bool { return r.Permission.Direction != d })
		return permissions(g)
	}
	const three = "sg-0123456789abcdef0, sg-0123456789abcdef1, sg-0123456789abcdef2"
	noEgress := "groups.json: is not complete: IpPermissionsEgress of " + three + " is missing, perhaps left out by --query; no egress rules of it were judged"
	noIngress := "groups.json: is not complete: IpPermissions of " + three + " is missing, perhaps left out by --query; no ingress rules of it were judged"
	for _, c := range []struct {
		missing  []string
		left     []secgroup.Direction
		problems []string
	}{
		{[]string{"IpPermissionsEgress"}, []secgroup.Direction{secgroup.Ingress}, []string{noEgress}},
		{[]string{"IpPermissions"}, []secgroup.Direction{secgroup.Egress}, []string{noIngress}},
		{[]string{"IpPermissions", "IpPermissionsEgress"}, nil, []string{noIngress, noEgress}},
	} {
		s := read(t, source("groups.json", withoutLists(t, c.missing...)))
		assert.Equal(t, c.problems, texts(s.Problems))
		assert.True(t, s.RulesMissing)
		require.Len(t, s.Groups, 3)
		for i, g := range s.Groups {
			var want []string
			for _, d := range c.left {
				want = append(want, side(whole[i], d)...)
			}
			assert.Equal(t, want, permissions(g), "%v", c.missing)
		}
		s = read(t, source("groups.json", withoutLists(t, c.missing...)), source("rules.json", fixture(t, "rules.json")))
		assert.Equal(t, sound(t, "groups.json", "rules.json").Groups, s.Groups, "another file may tell them")
		assert.Equal(t, c.problems, texts(s.Problems), "of which this one does not know whether it tells them all")
	}
	null := strings.Replace(withoutLists(t, "IpPermissions"), `"GroupId"`, `"IpPermissions":null,"GroupId"`, 1)
	assert.Equal(t, []string{noIngress}, texts(read(t, source("groups.json", null)).Problems), "null is no list")
	assert.False(t, sound(t, "groups.json").RulesMissing)
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, `{"SecurityGroups": [{"GroupId": "sg-%017x", "IpPermissions": []}]}`, i)
	}
	assert.Equal(t, []string{"many.json: is not complete: IpPermissionsEgress of sg-00000000000000000, sg-00000000000000001, sg-00000000000000002, and 9,997 more is missing, perhaps left out by --query; no egress rules of it were judged"},
		texts(read(t, source("many.json", many.String())).Problems), "one line, not ten thousand")
}

func TestReadingGoesOnBehindAnElementOfNoUse(t *testing.T) {
	group := func(id, port string) string {
		return "{\n\"GroupId\": \"" + id + "\",\n\"IpPermissionsEgress\": [], \"IpPermissions\": [\n{\"IpProtocol\": \"tcp\", \"FromPort\": " + port + ", \"ToPort\": 22,\n\"IpRanges\": [{\"CidrIp\": \"10.0.0.0/8\"}]}]}"
	}
	s := read(t, source("groups.json", "{\"SecurityGroups\": [\n"+strings.Join([]string{
		group("sg-1", "22"), group("sg-2", `"22"`), group("sg-3", "22"), `17`, `{"Tags": []}`, group("sg-4", `[{}]`), group("sg-5", "22"),
	}, ",\n")+`], "NextToken": "x"}`+"\n{\"SecurityGroups\": ["+group("sg-6", "22")+"]}"))
	assert.Equal(t, []string{
		`groups.json: line 10, SecurityGroups element 2: IpPermissions[0].FromPort holds the wrong kind of value, a JSON string; it was not judged`,
		`groups.json: line 17, SecurityGroups element 4: SecurityGroups holds the wrong kind of value, a JSON number; it was not judged`,
		`groups.json: line 18, SecurityGroups element 5: is not complete: GroupId is missing; it was not judged`,
		`groups.json: line 22, SecurityGroups element 6: IpPermissions[0].FromPort holds the wrong kind of value, a JSON list; it was not judged`,
		`groups.json: is incomplete: it ends with a NextToken, so there is more than it holds; leave out --max-items and --no-paginate`,
	}, texts(s.Problems))
	var ids []string
	for _, g := range s.Groups {
		ids = append(ids, g.ID)
	}
	assert.Equal(t, []string{"sg-1", "sg-3", "sg-5", "sg-6"}, ids)
}

func TestADumpThatIsMadeToBeTooMuchIsGivenUp(t *testing.T) {
	const group = `{"GroupId":"sg-0","IpPermissions":[],"IpPermissionsEgress":[]}`
	list := func(element string, n int) string {
		return `{"SecurityGroups":[` + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + `]}`
	}
	blanks := strings.Repeat(" ", maxElement+100_000)
	long := strings.Repeat("a", maxName+1)
	for name, c := range map[string]struct{ text, want string }{
		"blanks":           {blanks + `{"SecurityGroups":[]}`, "line 1: is longer than 4 MB; the rest was not judged"},
		"a long string":    {`{"SecurityGroups":[` + group + "\n,{\"GroupId\":\"" + blanks + `"}]}`, "line 2, element 2: is longer than 4 MB; the rest was not judged"},
		"a long member":    {`{"x":"` + strings.Repeat(blanks, maxOther/maxElement) + `"}`, "line 1: is longer than 64 MB"},
		"nothing but junk": {list("1", 3000), "line 1, element 1000: is the last of 1000 elements that are unusable; the rest was not judged"},
		"many members":     {`{` + manyMembers(200) + `}`, "is an object with more than 100 members"},
		"a long name":      {`{"` + blanks + `":1}`, "line 1: is longer than 4 MB"},
		"a long id":        {`{"SecurityGroups":[{"GroupId":"` + long + `","IpPermissions":[{}]}]}`, "element 1: GroupId is longer than 1024 bytes; it was not judged"},
		"a long protocol":  {`{"SecurityGroups":[{"GroupId":"sg-0","IpPermissionsEgress":[{"IpProtocol":"` + long + `"}]}]}`, "element 1: IpProtocol is longer than 1024 bytes; it was not judged"},
		"a long owner":     {`{"SecurityGroupRules":[{"GroupId":"sg-0","GroupOwnerId":"` + long + `"}]}`, "element 1: GroupOwnerId is longer than 1024 bytes; it was not judged"},
		"a long answer":    {`{"SecurityGroupRules":[{"SecurityGroupRuleId":"` + strings.Repeat(long, 100) + `"}]}`, "aaa" + text.CutMark},
		"one id":           {`{"SecurityGroups":[` + strings.Join(manyOwners(maxSameID+2), ",") + `]}`, "sg-0: more than 1000 accounts or regions have a group of this id; the others were not judged"},
	} {
		t.Run(name, func(t *testing.T) {
			s := read(t, source("bomb.json", c.text), source("groups.json", fixture(t, "groups.json")))
			problems := texts(s.Problems)
			require.NotEmpty(t, problems)
			assert.LessOrEqual(t, len(problems), maxUnusable+1)
			assert.Contains(t, problems[len(problems)-1], c.want)
			find(t, s, webID)
		})
	}
	for name, dumped := range map[string]string{
		"groups":     packed(t, list(group, 2000)),
		"tags":       list(`{"GroupId":"sg-0","IpPermissions":[],"IpPermissionsEgress":[],"Tags":[{}`+strings.Repeat(",{}", 20_000)+`]}`, 1),
		"addresses":  `{"NetworkInterfaces":[{"NetworkInterfaceId":"eni-0","Groups":[{}` + strings.Repeat(",{}", 400) + `],"Ipv6Addresses":[{}` + strings.Repeat(",{}", 400) + `]}]}`,
		"rules":      `{"SecurityGroupRules":[` + strings.TrimSuffix(strings.Repeat(`{"GroupId":"sg-0"},`, 4000), ",") + `]}`,
		"interfaces": `{"NetworkInterfaces":[` + strings.TrimSuffix(strings.Repeat(`{"NetworkInterfaceId":"eni-0","Groups":[{},{}]},`, 2000), ",") + `]}`,
		"entries":    `{"Entries":[` + strings.TrimSuffix(strings.Repeat(`{"Cidr":"::/0"},`, 4000), ",") + `]}`,
	} {
		dump := source("pl-0123456789abcdef0.json", dumped)
		d := newDumps(1 << 20)
		require.NoError(t, d.readAll(t.Context(), []Source{source("small.json", fixture(t, "groups.json"))}, nil), name)
		err := d.readAll(t.Context(), []Source{dump}, nil)
		require.ErrorIs(t, err, errTooMuch, name)
		assert.EqualError(t, err, "pl-0123456789abcdef0.json exceeds, with the files read before it, 1024 MB of memory: audit the files of fewer accounts or regions at a time")
		assert.NoError(t, newDumps(4<<20).readAll(t.Context(), []Source{dump}, nil), name)
	}
}

func manyOwners(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`{"GroupId":"sg-0","OwnerId":"%d","IpPermissions":[],"IpPermissionsEgress":[]}`, i))
	}
	return out
}

func manyMembers(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`"m%d":0`, i))
	}
	return strings.Join(out, ",")
}

// encoded writes values of the SDK as the AWS CLI does: without what is not there.
func encoded(t *testing.T, key string, list any) string {
	t.Helper()
	data, err := json.Marshal(map[string]any{key: list})
	require.NoError(t, err)
	var tree any
	require.NoError(t, json.Unmarshal(data, &tree))
	prune(tree)
	data, err = json.Marshal(tree)
	require.NoError(t, err)
	return string(data)
}

func prune(tree any) {
	switch tree := tree.(type) {
	case map[string]any:
		for key, value := range tree {
			switch {
			case value != nil:
				prune(value)
			case strings.HasPrefix(key, "IpPermissions"):
				tree[key] = []any{}
			default:
				delete(tree, key)
			}
		}
	case []any:
		for _, value := range tree {
			prune(value)
		}
	}
}
