package cli_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/cli"
	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
)

// openedAndClosed has a person open a port and sgward close it, and returns the id of the
// alert as its text shows it.
func (d *workspace) openedAndClosed(groupID string, port int, cidr string) (alertID string) {
	d.Helper()
	_, err := d.person().AuthorizeSecurityGroupIngress(d.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &groupID,
		IpPermissions: []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(port)), ToPort: aws.Int32(int32(port)),
			IpRanges: []types.IpRange{{CidrIp: &cidr, Description: aws.String("from home")}}}},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroupRule, Tags: []types.Tag{{Key: aws.String("ticket"), Value: aws.String("OPS-1")}}}},
	})
	require.NoError(d, err)
	call := d.lastCall()
	_, err = ec2rules.Revoke(d.Context(), d.sgward, new(ec2rules.Pace), groupID, secgroup.Ingress, []secgroup.Rule{*secgrouptest.TCP(port, cidr)})
	require.NoError(d, err)
	return alert.ID(call.Event)
}

func (d *workspace) lastCall() cloudtrail.Call {
	d.Helper()
	call, err := cloudtrail.Parse(d.calls[len(d.calls)-1])
	require.NoError(d, err)
	return call
}

// rule returns the rule of a port that the group holds.
func (d *workspace) rule(groupID string, port int) (description string, tags []string, there bool) {
	for _, r := range d.ec2.Rules(groupID) {
		if r.FromPort == port {
			for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
				tags = append(tags, key+"="+r.Tags[key])
			}
			return r.Description, tags, true
		}
	}
	return "", nil, false
}

func TestUndoByTheIDThatTheAlertShows(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	other := d.openedAndClosed(group, 22, "0.0.0.0/0")
	id := d.openedAndClosed(group, 3306, "0.0.0.0/0")
	require.NotEqual(t, other, id)

	got := d.run("undo --dry-run " + id)
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	for _, want := range []string{
		`open ingress tcp 3306 from 0.0.0.0/0 "from home"`,
		"made by AuthorizeSecurityGroupIngress at 20", "arn:aws:iam::123456789012:user/",
		"its tags are those that it was made with",
		"confirmed by CloudTrail: closed by arn:aws:sts::123456789012:assumed-role/sgward-RemediateRole-EXAMPLE/sgward-remediate at ",
		"policy now: policy.yaml:22 world-open-database: ",
	} {
		assert.Contains(t, got.errs, want)
	}
	assert.NotContains(t, got.out+got.errs, "tcp 22", "of another alert")
	_, _, there := d.rule(group, 3306)
	assert.False(t, there)

	got = d.run("undo --yes " + id)
	assert.Equal(t, cli.StatusFindings, got.status)
	assert.Contains(t, got.out, "the policy forbids it")
	_, _, there = d.rule(group, 3306)
	assert.False(t, there, "--yes keeps its guards")

	got = d.run("undo --yes --even-if-forbidden --format json " + id)
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	var line struct {
		AlertID, FindingID, Outcome, Unknown string
		Confirmed                            bool
	}
	require.NoError(t, json.Unmarshal([]byte(got.out), &line))
	assert.Equal(t, id, line.AlertID)
	assert.Regexp(t, "^f-[0-9a-f]{16}$", line.FindingID)
	assert.Equal(t, "put_back", line.Outcome)
	assert.Contains(t, line.Unknown, "its tags are those")
	assert.True(t, line.Confirmed)
	description, tags, there := d.rule(group, 3306)
	require.True(t, there)
	assert.Equal(t, "from home", description)
	assert.Equal(t, []string{"ticket=OPS-1"}, tags)

	again := d.run("undo --yes " + line.FindingID)
	assert.Contains(t, again.out, "already there", "its finding's id does as well: %s", again.errs)
}

func TestUndoOfAGroup(t *testing.T) {
	d := newWorkspace(t)
	group, far := d.aGroup("orders-db"), d.aGroup("shop")
	d.openedAndClosed(group, 22, "52.94.76.10/32")
	d.openedAndClosed(group, 443, "0.0.0.0/0")
	d.openedAndClosed(far, 80, "0.0.0.0/0")
	// Closed by a person, not by sgward.
	person := *secgrouptest.TCP(8080, "10.0.0.0/8")
	_, err := ec2rules.Authorize(t.Context(), d.sgward, group, secgroup.Ingress, []secgroup.Rule{person}, nil, false)
	require.NoError(t, err)
	_, err = ec2rules.Revoke(t.Context(), d.person(), new(ec2rules.Pace), group, secgroup.Ingress, []secgroup.Rule{person})
	require.NoError(t, err)

	got := d.run("undo --yes --group-id " + group + " --since 2h")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	held := d.held("orders-db")
	assert.True(t, slices.Contains(held, "in tcp 22-22 52.94.76.10/32") && slices.Contains(held, "in tcp 443-443 0.0.0.0/0"), held)
	assert.NotContains(t, strings.Join(held, "\n"), "8080")
	assert.NotContains(t, got.out, far)
	assert.NotContains(t, got.errs, far)

	got = d.run("undo --yes --group-id " + group)
	assert.Equal(t, cli.StatusClean, got.status)
	assert.Equal(t, 2, strings.Count(got.out, "already there"))
}

func TestUndoFromHistorySaysWhatItMisses(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	id := d.openedAndClosed(group, 443, "0.0.0.0/0")
	for args, want := range map[string]string{
		"a-0123456789abcdef":                             "no call in us-east-1 since 20",
		"--region eu-central-1 " + id:                    "no call in eu-central-1 since 20",
		"--group-id sg-0123456789abcdef0":                "with which sgward closed a rule of sg-0123456789abcdef0 (it may take 15 minutes to show one)",
		"--group-id " + group + " --region eu-central-1": "CloudTrail has no call in eu-central-1",
	} {
		got := d.run("undo --yes " + args)
		assert.Equal(t, cli.StatusError, got.status, args)
		assert.Contains(t, got.errs, want, args)
		assert.Empty(t, got.out)
	}
	for args, want := range map[string]string{
		"--group-id web":                  `--group-id "web": want a security group such as sg-0123456789abcdef0`,
		id + " --group-id " + group:       "one of the three",
		id + " policy.yaml":               "one of the three",
		"--since 2h policy.yaml":          "--since goes with an alert's id or --group-id",
		"--since soon " + id:              `--since "soon": want 2h, 3d, or a time or day`,
		"--since 2126-01-01 " + id:        "it is in the future",
		"--since -2h --group-id " + group: `--since "-2h": want`,
	} {
		got := d.run("undo --yes " + args)
		assert.Equal(t, cli.StatusUsage, got.status, args)
		assert.Contains(t, got.errs, want, args)
	}
	d.trail.Authorize = func(string, string) bool { return false }
	got := d.run("undo --yes " + id)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, "your credentials may not call cloudtrail:LookupEvents")
}

// Of a rule whose opening the history does not show, the closing alone is known.
func TestUndoOfARuleWhoseMakerIsNotKnown(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	id := d.openedAndClosed(group, 3306, "10.0.0.0/8")
	kept := d.calls[len(d.calls)-1]
	d.trail.Clear()
	d.trail.Add(kept)
	got := d.run("undo --yes --group-id " + group)
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Contains(t, got.errs, "who made it is not known")
	assert.Contains(t, got.errs, "its tags, if it had any, are not known")
	description, tags, there := d.rule(group, 3306)
	assert.True(t, there)
	assert.Equal(t, "from home", description, "EC2's answer to the closing has it")
	assert.Empty(t, tags)
	assert.Contains(t, d.run("undo --yes "+id).errs, "has the id "+id)
}

func (d *workspace) person() *ec2.Client {
	return ec2.New(ec2.Options{Region: workspaceRegion, BaseEndpoint: aws.String(d.endpoint), Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "not-a-secret", "")})
}

// The record of an edit has the rule's id and no direction.
func TestUndoOfAnEditedRuleByID(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	made, err := d.person().AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpProtocol: aws.String("tcp"), FromPort: aws.Int32(6379), ToPort: aws.Int32(6379), CidrIp: aws.String("10.0.0.0/8"),
	})
	require.NoError(t, err)
	_, err = d.person().ModifySecurityGroupRules(t.Context(), &ec2.ModifySecurityGroupRulesInput{
		GroupId: &group,
		SecurityGroupRules: []types.SecurityGroupRuleUpdate{{
			SecurityGroupRuleId: made.SecurityGroupRules[0].SecurityGroupRuleId,
			SecurityGroupRule:   &types.SecurityGroupRuleRequest{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(6379), ToPort: aws.Int32(6379), CidrIpv4: aws.String("0.0.0.0/0"), Description: aws.String("cache")},
		}},
	})
	require.NoError(t, err)
	id := alert.ID(d.lastCall().Event)
	_, err = ec2rules.Revoke(t.Context(), d.sgward, new(ec2rules.Pace), group, secgroup.Ingress, []secgroup.Rule{*secgrouptest.TCP(6379, "0.0.0.0/0")})
	require.NoError(t, err)
	d.openedAndClosed(group, 23, "0.0.0.0/0") // of another call

	got := d.run("undo --yes --even-if-forbidden " + id)
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Contains(t, got.errs, "made by ModifySecurityGroupRules")
	assert.Contains(t, got.errs, "an edit made it: this restores the edited rule, as its earlier values are unknown")
	assert.Contains(t, got.errs, "its tags, if it had any, are not known")
	description, _, there := d.rule(group, 6379)
	assert.True(t, there)
	assert.Equal(t, "cache", description)
	_, _, there = d.rule(group, 23)
	assert.False(t, there)
}

func TestUndoOfTheEditOfAPrefixListByID(t *testing.T) {
	d := newWorkspace(t)
	group := d.aGroup("orders-db")
	client := d.person()
	list, err := client.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("offices"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(5),
	})
	require.NoError(t, err)
	pl := aws.ToString(list.PrefixList.PrefixListId)
	_, err = client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306),
			PrefixListIds: []types.PrefixListId{{PrefixListId: &pl}}}},
	})
	require.NoError(t, err)
	_, err = client.ModifyManagedPrefixList(t.Context(), &ec2.ModifyManagedPrefixListInput{
		PrefixListId: &pl, CurrentVersion: aws.Int64(1), AddEntries: []types.AddPrefixListEntry{{Cidr: aws.String("0.0.0.0/0")}},
	})
	require.NoError(t, err)
	edit := d.lastCall().Event
	edit.EventID += alert.ClosingSuffix
	_, err = ec2rules.Revoke(t.Context(), d.sgward, new(ec2rules.Pace), group, secgroup.Ingress, []secgroup.Rule{*secgrouptest.Rule("ingress tcp 3306 from " + pl)})
	require.NoError(t, err)

	got := d.run("undo --yes --even-if-forbidden " + alert.ID(edit))
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Contains(t, got.errs, "    opened by ModifyManagedPrefixList at 20")
	assert.Contains(t, d.held("orders-db"), "in tcp 3306-3306 "+pl)
}
