package replay_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/replay"
	"sgward/internal/report"
	"sgward/internal/secgroup"
)

// The values that the histories share.
const (
	account = "123456789012"
	region  = "eu-central-1"
	sg      = "sg-0123456789abcdef0"
	alice   = "arn:aws:iam::123456789012:user/alice"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// at is a moment, n seconds after noon.
func at(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

// object is a JSON object.
type object = map[string]any

// items is a list as CloudTrail writes it.
func items(list ...any) object {
	if len(list) == 0 {
		return object{}
	}
	return object{"items": list}
}

// event is the record of a call. The id is made from a short name.
func event(name, id string, when time.Time, request, response any) object {
	return object{
		"eventVersion": "1.11", "eventSource": "ec2.amazonaws.com", "eventType": "AwsApiCall", "eventName": name,
		"eventID": eventID(id), "eventTime": when.Format(time.RFC3339), "awsRegion": region, "recipientAccountId": account,
		"sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.31.2", "readOnly": false,
		"userIdentity":      object{"type": "IAMUser", "arn": alice, "accountId": account, "userName": "alice"},
		"requestParameters": request, "responseElements": response,
	}
}

func eventID(id string) string {
	return fmt.Sprintf("%-8s-0000-4000-8000-000000000000", id)
}

// rule is an ingress rule as EC2 stores it, such as "sgr-01 tcp 22 0.0.0.0/0".
func rule(text string) object {
	var id, protocol, peer string
	var port int
	if _, err := fmt.Sscan(text, &id, &protocol, &port, &peer); err != nil {
		panic(err)
	}
	o := object{"securityGroupRuleId": ruleID(id), "groupId": sg, "groupOwnerId": account, "isEgress": false,
		"ipProtocol": protocol, "fromPort": port, "toPort": port}
	switch {
	case strings.HasPrefix(peer, "pl-"):
		o["prefixListId"] = peer
	case strings.Contains(peer, ":"):
		o["cidrIpv6"] = peer
	default:
		o["cidrIpv4"] = peer
	}
	return o
}

// ruleID makes an id of EC2's form from a short one.
func ruleID(id string) string { return fmt.Sprintf("sgr-%017s", strings.TrimPrefix(id, "sgr-")) }

func permission(r object) object {
	p := object{"ipProtocol": r["ipProtocol"], "fromPort": r["fromPort"], "toPort": r["toPort"],
		"groups": object{}, "ipRanges": object{}, "ipv6Ranges": object{}, "prefixListIds": object{}}
	for member, list := range map[string][2]string{
		"cidrIpv4": {"ipRanges", "cidrIp"}, "cidrIpv6": {"ipv6Ranges", "cidrIpv6"}, "prefixListId": {"prefixListIds", "prefixListId"},
	} {
		if v, ok := r[member]; ok {
			p[list[0]] = items(object{list[1]: v})
		}
	}
	return p
}

func permissions(rules []any) object {
	var list []any
	for _, r := range rules {
		list = append(list, permission(r.(object)))
	}
	return items(list...)
}

func rules(texts []string) []any {
	var out []any
	for _, text := range texts {
		out = append(out, rule(text))
	}
	return out
}

// authorize is a call that made ingress rules, with EC2's answer.
func authorize(id string, when time.Time, texts ...string) object {
	made := rules(texts)
	return event("AuthorizeSecurityGroupIngress", id, when,
		object{"groupId": sg, "ipPermissions": permissions(made)},
		object{"_return": true, "securityGroupRuleSet": items(made...)})
}

// egress makes a call on ingress rules one on egress rules.
func egress(o object) object {
	o["eventName"] = strings.Replace(o["eventName"].(string), "Ingress", "Egress", 1)
	for _, set := range []string{"securityGroupRuleSet", "revokedSecurityGroupRuleSet"} {
		if list, ok := o["responseElements"].(object)[set].(object); ok {
			for _, r := range list["items"].([]any) {
				r.(object)["isEgress"] = true
			}
		}
	}
	return o
}

// revoke is a call that closed ingress rules by their values, with EC2's answer.
func revoke(id string, when time.Time, texts ...string) object {
	gone := rules(texts)
	return event("RevokeSecurityGroupIngress", id, when,
		object{"groupId": sg, "ipPermissions": permissions(gone)},
		object{"_return": true, "revokedSecurityGroupRuleSet": items(gone...), "unknownIpPermissionSet": object{}})
}

// modify is a call that edited a rule.
func modify(id string, when time.Time, text string) object {
	r := rule(text)
	to := object{"IpProtocol": r["ipProtocol"], "FromPort": r["fromPort"], "ToPort": r["toPort"]}
	for member, v := range map[string]any{"CidrIpv4": r["cidrIpv4"], "CidrIpv6": r["cidrIpv6"], "PrefixListId": r["prefixListId"]} {
		if v != nil {
			to[member] = v
		}
	}
	return event("ModifySecurityGroupRules", id, when,
		object{"ModifySecurityGroupRulesRequest": object{"GroupId": sg, "SecurityGroupRule": object{
			"SecurityGroupRuleId": r["securityGroupRuleId"], "tag": 1, "SecurityGroupRule": to,
		}}},
		object{"ModifySecurityGroupRulesResponse": object{"return": true}})
}

// created and deleted are the calls on the group itself.
func created(id string, when time.Time) object {
	return event("CreateSecurityGroup", id, when,
		object{"groupName": "web", "groupDescription": "web", "vpcId": "vpc-0123456789abcdef0"}, object{"_return": true, "groupId": sg})
}

func deleted(id string, when time.Time) object {
	return event("DeleteSecurityGroup", id, when, object{"groupId": sg}, object{"_return": true})
}

// without returns a record without its response, as old ones were.
func unanswered(o object) object {
	o["responseElements"] = object{"_return": true}
	return o
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return out
}

// logs writes each list of records as a log file and returns the folder.
func logs(t *testing.T, files ...[]object) string {
	t.Helper()
	dir := t.TempDir()
	for i, records := range files {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(encoded(t, object{"Records": records}))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.json.gz", i)), b.Bytes(), 0o600))
	}
	return dir
}

func shipped(t *testing.T) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(t, err)
	return p
}

// written is a policy of statements and exceptions.
func written(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\n"+text)))
	require.NoError(t, err)
	return p
}

// replayed is what a run found, and its summary.
type replayed struct {
	entries []report.Entry
	report.Coverage
}

// run replays folders or files.
func run(t *testing.T, o replay.Options, paths ...string) replayed {
	t.Helper()
	var out replayed
	found := logfile.Find(paths, strings.NewReader(""))
	require.Empty(t, found.Problems)
	var err error
	out.Coverage, err = replay.Run(context.Background(), slices.Values(found.Sources), o, func(e report.Entry) error {
		out.entries = append(out.entries, e)
		return nil
	})
	require.NoError(t, err)
	return out
}

// replayOf replays one log file by the policy that is shipped.
func replayOf(t *testing.T, records ...object) replayed {
	t.Helper()
	return run(t, replay.Options{Policy: shipped(t)}, logs(t, records))
}

// told says of an entry what most tests ask for: "revoke tcp 22 0.0.0.0/0 60s by
// RevokeSecurityGroupIngress".
func told(e report.Entry) string {
	s := e.Verdict.String()
	if r := e.Rule; r != nil {
		s += " " + string(r.Permission.Protocol)
		if r.Permission.Protocol.HasPorts() {
			s += fmt.Sprintf(" %d", r.Permission.Ports.From)
		}
		s += " " + r.Permission.Peer.String()
		if r.Permission.Direction != secgroup.Ingress {
			s += " " + r.Permission.Direction.String()
		}
	}
	if e.ClosedBy != nil {
		s += fmt.Sprintf(" %gs by %s", *e.ExposureSeconds, e.ClosedBy.EventName)
	}
	return s
}

func (r replayed) told() []string {
	out := []string{}
	for _, e := range r.entries {
		out = append(out, told(e))
	}
	return out
}

// assertTold compares what was found, one line for each entry.
func assertTold(t *testing.T, r replayed, want ...string) {
	t.Helper()
	assert.Equal(t, want, r.told())
	assert.Empty(t, r.Problems)
}
