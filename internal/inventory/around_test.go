package inventory

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

func TestADumpOfInterfacesTellsWhoUsesAGroup(t *testing.T) {
	s := sound(t, "groups.json", "interfaces.json")
	web, db := find(t, s, webID), find(t, s, dbID)
	attached, known := s.Attached(&web)
	assert.True(t, known)
	assert.Equal(t, []finding.Interface{
		{ID: "eni-0123456789abcdef0", GroupID: webID, PrivateIP: "10.0.0.7", PublicIP: "198.51.100.7", InstanceID: "i-0123456789abcdef0",
			MorePublicIPs: []string{"198.51.100.8"}, IPv6Addresses: []string{"2001:db8::7"}},
		{ID: "eni-0123456789abcdef1", GroupID: webID, PrivateIP: "10.0.0.9", Description: "ELB app/shop/50dc6c495c0c9188", Service: "load balancer app/shop/50dc6c495c0c9188"},
	}, attached)
	attached, known = s.Attached(&db)
	assert.True(t, known, "its VPC is in the dump")
	assert.Empty(t, attached)
	again := sound(t, "interfaces.json", "groups.json", "interfaces.json")
	attached, _ = again.Attached(&web)
	assert.Len(t, attached, 2, "each once")
}

func TestNobodyIsSaidToUseAGroupWhereTheDumpMayNotTell(t *testing.T) {
	s := sound(t, "groups.json")
	web := find(t, s, webID)
	_, known := s.Attached(&web)
	assert.False(t, known, "no dump of interfaces")

	elsewhere := strings.NewReplacer("us-east-1", "eu-central-1", "vpc-0123456789abcdef0", "vpc-0fedcba9876543210", webID, "sg-0fedcba9876543210").
		Replace(fixture(t, "interfaces.json"))
	s = read(t, source("groups.json", fixture(t, "groups.json")), source("interfaces.json", elsewhere))
	_, known = s.Attached(&web)
	assert.False(t, known, "interfaces of another region")

	text := fixture(t, "interfaces.json")
	for name, broken := range map[string]string{
		"cut off": text[:len(text)-20], "more pages": strings.Replace(text, `{`, `{"NextToken": "eyJ0",`, 1),
		"an element of no use": strings.Replace(text, `"eni-0123456789abcdef1"`, `""`, 1),
	} {
		s = read(t, source("groups.json", fixture(t, "groups.json")), source("interfaces.json", broken))
		require.Len(t, s.Problems, 1, name)
		attached, known := s.Attached(&web)
		assert.False(t, known, name)
		assert.NotEmpty(t, attached, "%s: what is known is told", name)
	}
}

func TestInASharedVPCAnAccountTellsOfItsOwnInterfaces(t *testing.T) {
	theirs := strings.NewReplacer("123456789012", "111122223333", webID, "sg-0fedcba9876543210").Replace(fixture(t, "interfaces.json"))
	s := read(t, source("groups.json", fixture(t, "groups.json")), source("interfaces.json", theirs))
	require.Empty(t, s.Problems)
	web := find(t, s, webID)
	_, known := s.Attached(&web)
	assert.False(t, known, "the interfaces of its own account are in no dump")
}

func TestSourcesThatTellOfNoGroupsAreAProblem(t *testing.T) {
	interfaces, list := source("interfaces.json", fixture(t, "interfaces.json")), source(listID+".json", fixture(t, listID+".json"))
	s := read(t, interfaces)
	require.Len(t, s.Problems, 1)
	assert.Equal(t, "interfaces.json", s.Problems[0].Place)
	assert.Contains(t, s.Problems[0].Text, "no security groups found; want the whole answer of aws ec2 describe-security-groups")

	s = read(t, interfaces, list)
	require.Len(t, s.Problems, 1)
	assert.Equal(t, "interfaces.json and 1 more", s.Problems[0].Place)
	assert.Empty(t, read(t, interfaces, source("groups.json", `{"SecurityGroups": []}`), list).Problems, "there are none")
	assert.Empty(t, read(t, interfaces, source("rules.json", `{"SecurityGroupRules": []}`)).Problems, "there are none")
}

func TestDumpsOfPrefixListsTellTheirEntries(t *testing.T) {
	want := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/25"), netip.MustParsePrefix("203.0.113.128/25")}
	s := sound(t, "groups.json", listID+".json")
	assert.Equal(t, secgroup.PrefixList{Entries: want}, s.Lists.Known[listID])
	assert.Contains(t, s.Lists.Unreadable[listID], "no dump names the owner of "+listID)

	owned := `{"PrefixLists": [{"PrefixListId": "` + listID + `", "State": "create-complete", "OwnerId": "111122223333"}]}`
	s = read(t, source("groups.json", fixture(t, "groups.json")), source("lists.json", owned), source(listID+".json", fixture(t, listID+".json")))
	assert.Empty(t, s.Problems)
	assert.Empty(t, s.Lists.Unreadable)
	assert.Equal(t, secgroup.PrefixList{OwnerID: "111122223333", Entries: want}, s.Lists.Known[listID])

	s = read(t, source("groups.json", fixture(t, "groups.json")), source("lists.json", owned))
	assert.Nil(t, s.Lists.Known[listID].Entries, "of the owner alone nothing is known to be in it")
	assert.Contains(t, s.Lists.Unreadable, listID)

	described := `{"PrefixLists": [{"Cidrs": ["203.0.113.0/25", "203.0.113.128/25"], "PrefixListId": "` + listID + `", "PrefixListName": "com.amazonaws.us-east-1.s3"}]}`
	s = read(t, source("groups.json", fixture(t, "groups.json")), source("lists.json", described))
	assert.Empty(t, s.Problems)
	assert.Equal(t, secgroup.PrefixList{OwnerID: secgroup.OwnerAWS, Entries: want}, s.Lists.Known[listID], "of AWS's own")

	s = read(t, source("groups.json", fixture(t, "groups.json")), source("dumps/entries of "+listID+".json.gz", `{"Entries": []}`))
	assert.Empty(t, s.Problems)
	assert.Equal(t, []netip.Prefix{}, s.Lists.Known[listID].Entries, "known to hold nothing")
}

func TestAListWithoutAWholeDumpIsUnknown(t *testing.T) {
	s := sound(t, "groups.json")
	assert.Contains(t, s.Lists.Unreadable[listID], "get-managed-prefix-list-entries --prefix-list-id "+listID+" > "+listID+".json")
	text := fixture(t, listID+".json")
	for name, broken := range map[string]string{
		"cut off": text[:len(text)-5], "more pages": strings.Replace(text, `{`, `{"NextToken": "eyJ0",`, 1), "an entry of no use": strings.Replace(text, "/25", "", 1),
	} {
		s := read(t, source("groups.json", fixture(t, "groups.json")), source(listID+".json", broken))
		assert.Len(t, s.Problems, 1, name)
		assert.NotContains(t, s.Lists.Known, listID, name)
		assert.Contains(t, s.Lists.Unreadable, listID, name)
	}
}

func TestNotesSayWhatDeservesAttention(t *testing.T) {
	s := sound(t, "groups.json")
	web := find(t, s, webID)
	named := func(name string) *secgroup.Group {
		g := web
		g.Name = name
		return &g
	}
	for name, c := range map[string]struct {
		group *secgroup.Group
		usage Usage
		want  []string
	}{
		"used":                  {&web, Usage{Attached: 1, Known: true}, nil},
		"not known who uses it": {&web, Usage{}, nil},
		"another group's rule":  {&web, Usage{Known: true, Referenced: true}, nil},
		"unused":                {&web, Usage{Known: true}, []string{"nothing uses it: no network interface, and no rule of another group (launch templates and the like are not seen)"}},
		"default":               {named("default"), Usage{Known: true}, []string{"the default group of its VPC has 8 rules: whatever is started without a group gets them"}},
		"default, no rules":     {&secgroup.Group{Name: "default"}, Usage{Known: true}, nil},
		"launch wizard":         {named("launch-wizard-7"), Usage{}, []string{"the console's launch wizard made it"}},
	} {
		notes, details := Notes(c.group, c.usage)
		assert.Equal(t, c.want, notes, name)
		if len(c.group.Rules) > 0 {
			assert.Equal(t, []string{"5 of 8 rules without a description"}, details, name)
		}
	}
	assert.Equal(t, map[string]bool{webID: true, "sg-0fedcba9876543210": true}, References(s.Groups))
	itself := group(t, "ingress tcp 22 "+webID)
	assert.Empty(t, References([]secgroup.Group{itself}), "that a group names itself is no use of it")
}

func TestAGroupNearItsQuotaIsNoted(t *testing.T) {
	groupOf := func(rules ...string) *secgroup.Group {
		g := &secgroup.Group{}
		for _, r := range rules {
			g.Rules = append(g.Rules, rule(t, r))
		}
		return g
	}
	var four, six []string
	for i := range 53 {
		four = append(four, "ingress tcp "+string(rune('a'+i%26))+" 10.0.0.0/8")
		six = append(six, "ingress tcp x 2001:db8::/32")
	}
	notes, _ := Notes(groupOf(four...), Usage{})
	assert.Empty(t, notes)
	notes, _ = Notes(groupOf(append(four, six...)...), Usage{})
	assert.Empty(t, notes, "families count apart")
	notes, _ = Notes(groupOf(append(four, "egress tcp x 10.0.0.0/8")...), Usage{})
	assert.Empty(t, notes, "directions too")
	notes, _ = Notes(groupOf(append(four, "ingress tcp x sg-0123456789abcdef0")...), Usage{})
	assert.Equal(t, []string{"54 ingress rules for IPv4: EC2 allows 60, unless the account was given more"}, notes)
	notes, _ = Notes(groupOf(append(six, "ingress tcp x pl-0123456789abcdef0")...), Usage{})
	assert.Equal(t, []string{"54 ingress rules for IPv6: EC2 allows 60, unless the account was given more"}, notes)
}

func TestAListThatOneAccountMayReadIsKnown(t *testing.T) {
	may := placeRead{lists: ec2rules.PrefixLists{Known: map[string]secgroup.PrefixList{listID: {OwnerID: "123456789012", Entries: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}}}}
	mayNot := placeRead{lists: ec2rules.PrefixLists{Unreadable: map[string]string{listID: "not shared"}}}
	for _, order := range [][]placeRead{{may, mayNot}, {mayNot, may}} {
		j := newJoint()
		for i := range order {
			j.addPlace(&Place{AccountID: "123456789012", Region: "us-east-1"}, &order[i])
		}
		assert.Equal(t, may.lists.Known, j.lists.Known)
		assert.Empty(t, j.lists.Unreadable)
	}
}

func TestOnlyWhatIsNewOrWorseIsNotInTheBaseline(t *testing.T) {
	text := `{"id":"f-0000000000000001","decision":"alert","severity":"medium","reasons":[],"rule":{}}
{"id":"f-0000000000000002","decision":"exempt","severity":"high"}

{"id":"f-0000000000000003","decision":"alert"}`
	b, err := ReadBaseline("known.json", strings.NewReader(text))
	require.NoError(t, err)
	require.Len(t, b, 3)
	for _, c := range []struct {
		id       string
		verdict  policy.Verdict
		severity policy.Severity
		want     bool
	}{
		{"f-0000000000000001", policy.Alert, policy.Medium, true},
		{"f-0000000000000001", policy.Alert, policy.Low, true},
		{"f-0000000000000001", policy.Exempt, policy.Medium, true},
		{"f-0000000000000001", policy.Alert, policy.High, false},
		{"f-0000000000000001", policy.Revoke, policy.Medium, false},
		{"f-0000000000000002", policy.Exempt, policy.High, true},
		{"f-0000000000000002", policy.Alert, policy.High, false},
		{"f-0000000000000003", policy.Alert, policy.Low, false},
		{"f-0000000000000009", policy.Alert, policy.Low, false},
	} {
		f := finding.Finding{ID: c.id, Verdict: c.verdict, Severity: c.severity}
		assert.Equal(t, c.want, b.Holds(&f), "%v", c)
	}
	var none Baseline
	assert.False(t, none.Holds(&finding.Finding{ID: "f-0000000000000001"}), "without a baseline everything is new")
	b, err = ReadBaseline("empty.json", strings.NewReader(""))
	require.NoError(t, err)
	assert.NotNil(t, b)
}

func TestABaselineThatIsNoneNamesTheLine(t *testing.T) {
	sound := `{"id":"f-0000000000000001","decision":"alert","severity":"medium"}` + "\n"
	for name, c := range map[string]struct{ line, want string }{
		"no JSON":      {`alert`, "it is not a finding in JSON"},
		"a list":       {`[]`, "it is not a finding in JSON"},
		"cut off":      {`{"id":"f-0000000000000002","decision":"al`, "it is not a finding in JSON"},
		"another tool": {`{"SecurityGroups": []}`, `id is ""`},
		"no decision":  {`{"id":"f-0000000000000002"}`, `decision is ""`},
		"no severity":  {`{"id":"f-0000000000000002","decision":"alert","severity":"dire"}`, `severity is "dire"`},
	} {
		_, err := ReadBaseline("known.json", strings.NewReader(sound+c.line))
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), "known.json:2: "+c.want, name)
		assert.Contains(t, err.Error(), "want the lines that sgward audit --format json wrote", name)
	}
}
