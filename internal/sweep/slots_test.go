package sweep_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/sweep"
)

const ranked = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
  - {id: admin, severity: critical, effect: revoke, existing: revoke, ingress: {from: world, ports: [22/tcp]}}
`

// denying refuses to close anything of some groups, as a service control policy does.
type denying struct {
	sweep.EC2
	groups []string
}

func (e denying) RevokeSecurityGroupIngress(ctx context.Context, in *ec2.RevokeSecurityGroupIngressInput, o ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	if slices.Contains(e.groups, *in.GroupId) {
		return nil, &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "an explicit deny in a service control policy"}
	}
	return e.EC2.RevokeSecurityGroupIngress(ctx, in, o...)
}

func TestRevokesThatAreDeniedForEverKeepNoOthersFromBeingClosed(t *testing.T) {
	b := newSweep(t, ranked, finding.Enforce)
	b.most = 2
	denied := []string{b.group("denied a"), b.group("denied b"), b.group("denied c")}
	for _, group := range denied {
		b.open(group, 22, "0.0.0.0/0")
	}
	others := []string{b.group("e"), b.group("f"), b.group("g")}
	for _, group := range others {
		b.open(group, 5432, "0.0.0.0/0")
	}
	b.client = denying{b.client, denied}
	tried := map[string]int{}
	for range 6 {
		order, err := b.sweep()
		require.NoError(t, err)
		require.NotEmpty(t, order.Findings, "a slot that is free is used")
		require.LessOrEqual(t, len(order.Findings), 2)
		for _, f := range order.Findings {
			tried[f.GroupName]++
		}
		_ = b.closeSwept(order, 1)
		b.pass(24 * time.Hour)
	}
	for _, group := range others {
		assert.Empty(t, b.ports(group))
	}
	for _, name := range []string{"denied a", "denied b", "denied c"} {
		assert.GreaterOrEqual(t, tried[name], 2, "%s: the denied ones take turns with what is left", name)
	}
}

func TestARepeatOfASweptOrderDoesNotAnnounceAgainWhatWasDone(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.client = denying{b.client, groups[:1]}
	outcomes := map[int][]finding.Outcome{}
	for try := 1; try <= 5; try++ {
		b.alerts = nil
		require.ErrorContains(t, b.closeSwept(order, try), "UnauthorizedOperation")
		for _, f := range b.alert().Findings {
			outcomes[try] = append(outcomes[try], f.Outcome)
		}
	}
	failed := []finding.Outcome{finding.OutcomeFailed}
	assert.Equal(t, map[int][]finding.Outcome{
		1: {finding.OutcomeFailed, finding.OutcomeRevoked}, 2: failed, 3: failed, 4: failed,
		5: {finding.OutcomeFailed, finding.OutcomeAlreadyClosed}, // in case the first alert was lost
	}, outcomes)
}

func TestARunThatComesAgainChoosesTheSame(t *testing.T) {
	b := newSweep(t, ranked, finding.Enforce)
	b.most = 1
	b.open(b.group("a"), 22, "0.0.0.0/0")
	b.open(b.group("b"), 5432, "0.0.0.0/0")
	at := b.time()
	var ids []string
	for range 2 { // Lambda lost the answer of the first
		order, err := b.sweeper().Sweep(t.Context(), cloudtrail.Event{EventID: "run", EventTime: at, AccountID: account, Region: region})
		require.NoError(t, err)
		require.Len(t, order.Findings, 1)
		ids = append(ids, order.Findings[0].ID)
		b.pass(time.Minute)
	}
	assert.Equal(t, ids[0], ids[1])
}

// hanging is a table that answers no call of an action.
type hanging struct {
	sweep.Table
	scan, write bool
}

func (h hanging) Scan(ctx context.Context, in *dynamodb.ScanInput, o ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	if h.scan {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Table.Scan(ctx, in, o...)
}

func (h hanging) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput, o ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	if h.write {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Table.BatchWriteItem(ctx, in, o...)
}

func TestAMemoryThatHangsKeepsNobodyFromBeingToldAndNothingFromBeingClosed(t *testing.T) {
	for name, stuck := range map[string]hanging{"read": {scan: true}, "written": {write: true}} {
		t.Run(name, func(t *testing.T) {
			b := newSweep(t, ranked, finding.Enforce)
			b.most = 1
			b.open(b.group("a"), 22, "0.0.0.0/0")
			b.open(b.group("b"), 5432, "0.0.0.0/0")
			stuck.Table = b.memory.Client
			b.memory.Client = stuck
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			order, err := b.sweeper().Sweep(ctx, cloudtrail.Event{EventID: "run", AccountID: account, Region: region})
			require.NoError(t, err)
			require.NoError(t, ctx.Err(), "the platform has not yet ended the invocation and thrown the order away")
			assert.Len(t, order.Findings, 1)
			assert.Len(t, b.alert().Findings, 1)
			assert.Contains(t, b.log.String(), `"memory failed"`)
		})
	}
}
