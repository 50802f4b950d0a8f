package sweep_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep/sweeptest"
)

// padding is as many tags as a rule may have, as long as they may be.
func padding() []types.Tag {
	var tags []types.Tag
	for i := range 50 {
		tags = append(tags, types.Tag{Key: aws.String(fmt.Sprintf("%02d", i) + strings.Repeat("𝄞", 126)), Value: aws.String(strings.Repeat("𝄞", 256))})
	}
	return tags
}

// openPadded opens a port of a group by a call that CloudTrail records without its parameters.
func openPadded(t *testing.T, b *sweeptest.Bench, group string, port int32, peers ...string) {
	t.Helper()
	in := &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, TagSpecifications: []types.TagSpecification{
		{ResourceType: types.ResourceTypeSecurityGroupRule, Tags: padding()},
	}}
	filler := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(9), ToPort: aws.Int32(9)} // harmless
	for i := range 100 {
		filler.IpRanges = append(filler.IpRanges, types.IpRange{CidrIp: aws.String(fmt.Sprintf("10.0.%d.0/24", i)), Description: aws.String(strings.Repeat("x", 255))})
	}
	in.IpPermissions = append(in.IpPermissions, filler)
	for _, peer := range peers {
		in.IpPermissions = append(in.IpPermissions, types.IpPermission{
			IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: &peer}},
		})
	}
	_, err := b.User.AuthorizeSecurityGroupIngress(t.Context(), in)
	require.NoError(t, err)
	require.Empty(t, b.LastChange().Group.ID, "the record names no group")
}

// openPorts lists the ports of a group that rules other than fillers open.
func openPorts(b *sweeptest.Bench, group string) []int {
	return slices.DeleteFunc(b.Ports(group), func(port int) bool { return port == 9 })
}

// stripped takes the tags off a group's rules: what is left looks like any other rule.
func stripped(t *testing.T, b *sweeptest.Bench, group string) {
	t.Helper()
	var ids []string
	for _, r := range b.Server.Rules(group) {
		ids = append(ids, r.ID)
	}
	_, err := b.User.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: ids})
	require.NoError(t, err)
}

// lookedFor takes the last call through sweep and the engine.
func lookedFor(t *testing.T, b *sweeptest.Bench) finding.Detection {
	t.Helper()
	call := b.LastChange()
	b.Alerts = nil
	b.Pass(2 * time.Second)
	d, err := b.Sweeper().Unnamed(t.Context(), b.Account, call)
	require.NoError(t, err)
	if d.Verdict == policy.Revoke {
		require.NoError(t, b.Close(d, 1))
	}
	return d
}

func TestARuleOfAPaddedCallIsClosed(t *testing.T) {
	for name, stripTags := range map[string]bool{"by its padding": false, "because the last sweep did not see it": true} {
		t.Run(name, func(t *testing.T) {
			b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
			old, data := b.Group("old"), b.Group("data")
			b.Open(old, 5432, "0.0.0.0/0") // stands, and stays
			if stripTags {
				hours(t, b, 1)
			}
			openPadded(t, b, data, 5432, "0.0.0.0/0", "10.0.0.0/8")
			call := b.LastChange()
			if stripTags {
				stripped(t, b, data)
			}
			if stripTags {
				b.Events = b.Events[:len(b.Events)-1] // the last call is the padded one again
			}
			d := lookedFor(t, b)
			require.Len(t, d.Findings, 1)
			assert.Equal(t, finding.SourceUnnamedCall, d.Source)
			assert.Len(t, openPorts(b, data), 1, "the private one stays")
			assert.Equal(t, []int{5432}, b.Ports(old))
			a := b.Alert()
			assert.Equal(t, call.EventID, a.Event.EventID)
			assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeRevoked}, sweeptest.Told(a))
			m, err := alert.NewMessage(a)
			require.NoError(t, err)
			assert.Contains(t, flat(m.Email), "user/demo")
			assert.Contains(t, flat(m.Email), "only this call can have made")
		})
	}
}

func TestOfAPaddedCallNothingElseIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		policy string
		before func(t *testing.T, b *sweeptest.Bench, group string)
		after  func(t *testing.T, b *sweeptest.Bench, group string)
	}{
		"a rule that stood before, and was padded by another": {sweeptest.Telling, func(t *testing.T, b *sweeptest.Bench, group string) {
			b.Open(group, 5432, "0.0.0.0/0")
			hours(t, b, 1)
			_, err := b.User.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{ruleOf(b, group)}, Tags: padding()})
			require.NoError(t, err)
		}, nil},
		"a rule that stood before, without a memory": {sweeptest.Telling, func(_ *testing.T, b *sweeptest.Bench, group string) {
			b.Memory = nil
			b.Open(group, 5432, "0.0.0.0/0")
		}, nil},
		"a rule that another policy allowed": {strings.Replace(sweeptest.Telling, "5432/tcp, ", "", 1), func(t *testing.T, b *sweeptest.Bench, group string) {
			b.Open(group, 5432, "0.0.0.0/0")
			hours(t, b, 1)
			b.Policy = sweeptest.Telling
		}, nil},
		"a rule that is forbidden with others only": {sweeptest.Telling, func(t *testing.T, b *sweeptest.Bench, group string) {
			hours(t, b, 1)
			b.Open(group, 5432, "52.0.0.0/10")
			b.Open(group, 5432, "52.64.0.0/10")
		}, nil},
		"a rule whose maker could exempt it": {strings.Replace(sweeptest.Telling, "effect: revoke,", "effect: revoke, unless: {actors: [\"arn:aws:iam::123456789012:role/ci\"]},", 1), func(t *testing.T, b *sweeptest.Bench, group string) {
			hours(t, b, 1)
			b.Open(group, 5432, "0.0.0.0/0")
		}, nil},
		"an event that is old": {sweeptest.Telling, func(t *testing.T, b *sweeptest.Bench, group string) {
			hours(t, b, 1)
			b.Open(group, 5432, "0.0.0.0/0")
		}, func(_ *testing.T, b *sweeptest.Bench, _ string) { b.Pass(7 * time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := sweeptest.NewSweep(t, c.policy, finding.Enforce)
			group, other := b.Group("data"), b.Group("other")
			c.before(t, b, group)
			b.Pass(10 * time.Minute)
			openPadded(t, b, other, 443, "0.0.0.0/0")
			if c.after != nil {
				c.after(t, b, group)
			}
			before := openPorts(b, group)
			d := lookedFor(t, b)
			assert.Empty(t, d.Findings)
			assert.Equal(t, policy.Compliant, d.Verdict)
			assert.Equal(t, before, openPorts(b, group))
		})
	}
}

func TestARuleThatASweepSawBetweenTheCallAndItsEventIsClosed(t *testing.T) {
	b := watched(t, sweeptest.Telling, finding.Enforce)
	data := b.Group("data")
	openPadded(t, b, data, 5432, "0.0.0.0/0")
	call := b.LastChange()
	stripped(t, b, data)
	b.Pass(5 * time.Second)
	_, err := b.Sweep()
	require.NoError(t, err)
	b.Pass(10 * time.Second)
	d, err := b.Sweeper().Unnamed(t.Context(), b.Account, call)
	require.NoError(t, err)
	assert.Len(t, d.Findings, 1)
}

func TestOfPaddedCallsNoMoreThanMaxRevokesAreClosedThePaddedOnesFirst(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	hours(t, b, 1)
	b.Most = 2
	many(t, b, 3) // their events are lost
	data := b.Group("data")
	openPadded(t, b, data, 5432, "0.0.0.0/0")
	assert.Len(t, lookedFor(t, b).Findings, 2)
	assert.Empty(t, openPorts(b, data))
}

func TestInObserveModeAPaddedCallIsReportedAsItWouldBeClosed(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Observe)
	data := b.Group("data")
	openPadded(t, b, data, 5432, "0.0.0.0/0")
	lookedFor(t, b)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeWouldRevoke}, sweeptest.Told(b.Alert()))
	assert.Equal(t, []int{5432}, openPorts(b, data))
}

func TestACallThatNamesItsGroupIsDetects(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	data := b.Group("data")
	b.Open(data, 5432, "0.0.0.0/0")
	d := lookedFor(t, b)
	assert.Empty(t, d.Findings)
	assert.Equal(t, policy.Compliant, d.Verdict)
}
