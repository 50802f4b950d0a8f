package inventory

import (
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
)

// slowly decodes a group with encoding/json, in the most obvious way.
func slowly(t *testing.T, data []byte) secgroup.Group {
	t.Helper()
	var g types.SecurityGroup
	require.NoError(t, json.Unmarshal(data, &g))
	return slowlyOf(t, &g)
}

func slowlyOf(t *testing.T, g *types.SecurityGroup) secgroup.Group {
	t.Helper()
	out := ec2rules.GroupOf(*g)
	out.Rules = []secgroup.Rule{}
	for side, permissions := range [][]types.IpPermission{g.IpPermissions, g.IpPermissionsEgress} {
		for _, p := range permissions {
			add := func(r types.SecurityGroupRule) {
				r.GroupId, r.GroupOwnerId, r.IsEgress, r.IpProtocol, r.FromPort, r.ToPort = g.GroupId, g.OwnerId, aws.Bool(side == 1), p.IpProtocol, p.FromPort, p.ToPort
				rule, err := ec2rules.RuleOf(r)
				require.NoError(t, err)
				out.Rules = append(out.Rules, rule)
			}
			for _, r := range p.IpRanges {
				add(types.SecurityGroupRule{CidrIpv4: r.CidrIp, Description: r.Description})
			}
			for _, r := range p.Ipv6Ranges {
				add(types.SecurityGroupRule{CidrIpv6: r.CidrIpv6, Description: r.Description})
			}
			for _, r := range p.PrefixListIds {
				add(types.SecurityGroupRule{PrefixListId: r.PrefixListId, Description: r.Description})
			}
			for _, r := range p.UserIdGroupPairs {
				add(types.SecurityGroupRule{ReferencedGroupInfo: &types.ReferencedSecurityGroup{GroupId: r.GroupId, UserId: r.UserId}, Description: r.Description})
			}
		}
	}
	return out
}

func TestAGroupIsDecodedAsEncodingJSONWould(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	texts := []string{"", "plain", `a "quote"`, `back\slash\`, `\`, "tab\tand\nline", "ünï ☃ \U0001f600", "[{]}", `{"a": [1]}`, "\u2028", "<script>", `\\"`, "\x00\x1f"}
	text := func() string { return texts[random.IntN(len(texts))] }
	some := func() []any { return make([]any, random.IntN(3)) }
	for range 500 {
		permissions := func() []any {
			out := some()
			for i := range out {
				v4, v6, groups := some(), some(), make([]any, 1)
				for j := range v4 {
					v4[j] = map[string]any{"CidrIp": "10.0.0.0/8", "Description": text()}
				}
				for j := range v6 {
					v6[j] = map[string]any{"CidrIpv6": "2001:db8::/32", "Description": nil, "New": text()}
				}
				for j := range groups {
					groups[j] = map[string]any{"GroupId": webID, "UserId": "123456789012", "GroupName": text(), "Description": text()}
				}
				port := random.IntN(65536)
				out[i] = map[string]any{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": v4, "Ipv6Ranges": v6, "UserIdGroupPairs": groups,
					"PrefixListIds": nil, "New": map[string]any{text(): []any{text(), 1.5, true, nil}}, "Empty": []any{}, "Number": -1.5e3}
			}
			return out
		}
		tags := some()
		for i := range tags {
			tags[i] = map[string]any{"Key": text(), "Value": text()}
		}
		group := map[string]any{"GroupId": webID, "GroupName": text(), "Description": text(), "VpcId": text(), "OwnerId": "123456789012",
			"Tags": tags, "IpPermissions": permissions(), "IpPermissionsEgress": permissions(), "Other": []any{text(), map[string]any{"x": text()}}}
		data, err := json.Marshal(group)
		require.NoError(t, err)
		if random.IntN(2) == 0 {
			data, err = json.MarshalIndent(group, "", "    ")
			require.NoError(t, err)
		}
		got, err := decodeGroup(t, data)
		require.NoError(t, err, string(data))
		require.Equal(t, slowly(t, data), got, string(data))
	}
}

// decodeGroup reads a group as an element of a dump.
func decodeGroup(t *testing.T, data []byte) (secgroup.Group, error) {
	t.Helper()
	return decodeElement(t, groupsKey, data)
}

func decodeElement(t *testing.T, key string, data []byte) (secgroup.Group, error) {
	t.Helper()
	d := newDumps(maxKept)
	require.NoError(t, d.readAll(t.Context(), []Source{source("dump.json", `{"`+key+`": [`+string(data)+`]}`)}, nil))
	if len(d.problems) > 0 {
		return secgroup.Group{}, errors.New(d.problems[0].Text)
	}
	for _, g := range d.groups {
		return *g[0], nil
	}
	return secgroup.Group{}, errors.New("no group")
}

func TestWhatIsNoValueOfAFieldIsNamed(t *testing.T) {
	const sound = `{"GroupId": "sg-0123456789abcdef0", "GroupName": "web", "Tags": [{"Key": "a"}], "IpPermissions": [{"FromPort": 1, "ToPort": 1, "IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}], "IpPermissionsEgress": []}`
	_, err := decodeGroup(t, []byte(sound))
	require.NoError(t, err)
	for _, c := range []struct{ from, to, want string }{
		{`"web"`, `7`, "GroupName holds the wrong kind of value, a JSON number"},
		{`"web"`, `true`, "GroupName holds the wrong kind of value, a JSON bool"},
		{`"web"`, `["web"]`, "GroupName holds the wrong kind of value, a JSON list"},
		{`1,`, `1.5,`, "IpPermissions[0].FromPort: 1.5 is out of range"},
		{`1,`, `4294967296,`, "IpPermissions[0].FromPort: 4294967296 is out of range"},
		{`1,`, `{},`, "IpPermissions[0].FromPort holds the wrong kind of value, a JSON object"},
		{`[{"Key": "a"}]`, `{"Key": "a"}`, "Tags holds the wrong kind of value, a JSON object"},
		{`[{"CidrIp": "10.0.0.0/8"}]`, `["10.0.0.0/8"]`, "IpPermissions[0].IpRanges[0] holds the wrong kind of value, a JSON string"},
		{`"tcp"`, `6`, "IpPermissions[0].IpProtocol holds the wrong kind of value, a JSON number"},
	} {
		_, err := decodeGroup(t, []byte(strings.Replace(sound, c.from, c.to, 1)))
		assert.ErrorContains(t, err, c.want)
	}
}

func TestWhatIsNoValueOfARulesFieldIsNamed(t *testing.T) {
	const sound = `{"SecurityGroupRuleId": "sgr-0123456789abcdef0", "GroupId": "sg-0123456789abcdef0", "IsEgress": false, "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "ReferencedGroupInfo": {"GroupId": "sg-0123456789abcdef1", "VpcId": "vpc-0123456789abcdef0"}}`
	g, err := decodeElement(t, rulesKey, []byte(sound))
	require.NoError(t, err)
	assert.Equal(t, []string{"ingress tcp 1 from sg-0123456789abcdef1"}, permissions(g))
	for _, c := range []struct{ from, to, want string }{
		{`false`, `"false"`, "IsEgress holds the wrong kind of value, a JSON string"},
		{`{"GroupId": "sg-0123456789abcdef1"`, `["sg-0123456789abcdef1"]}{"a": 1`, "ReferencedGroupInfo holds the wrong kind of value, a JSON list"},
		{`"FromPort": 1`, `"FromPort": "1"`, "FromPort holds the wrong kind of value, a JSON string"},
	} {
		_, err := decodeElement(t, rulesKey, []byte(strings.Replace(sound, c.from, c.to, 1)))
		assert.ErrorContains(t, err, c.want)
	}
	g, err = decodeElement(t, rulesKey, []byte(strings.Replace(sound, "false", "null", 1)))
	require.NoError(t, err)
	assert.Len(t, g.Unread, 1, "what is not told is not guessed")
}

// Whatever stands in a list of groups is a problem, or is what encoding/json reads.
func FuzzDecodeGroup(f *testing.F) {
	f.Add([]byte(`{"GroupId": "sg-0123456789abcdef0", "Tags": null, "IpPermissions": [{"IpRanges": [{"CidrIp": "\u0031"}], "New": [1]}], "IpPermissionsEgress": []}`))
	f.Add([]byte(`{"GroupId": "sg-0123456789abcdef0", "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "a\ud800"}]}], "IpPermissionsEgress": []}`))
	f.Add([]byte(`{"a":"\\\"","b":[[{}]],"c":-1e9}`))
	f.Add([]byte(`{"GroupId": 7}, {"GroupId": "sg-0123456789abcdef0", "IpPermissions": [], "IpPermissionsEgress": []}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := decodeGroup(t, data)
		if err != nil {
			assert.Equal(t, secgroup.Group{}, g)
		}
		var want types.SecurityGroup // read with exact names, each once
		switch invalid := jsonv2.Unmarshal(data, &want, jsontext.AllowInvalidUTF8(true)); {
		case invalid != nil: // it may be several elements, or be wrong where nothing here looks
		case err != nil:
			assert.ErrorContains(t, err, errIncomplete.Error())
		case len(g.Unread) == 0:
			assert.Equal(t, slowlyOf(t, &want), g)
		}
	})
}
