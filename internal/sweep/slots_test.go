package sweep_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/sweep/sweeptest"
)

const ranked = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
  - {id: admin, severity: critical, effect: revoke, existing: revoke, ingress: {from: world, ports: [22/tcp]}}
`

func TestRevokesThatAreDeniedForEverKeepNoOthersFromBeingClosed(t *testing.T) {
	b := sweeptest.NewSweep(t, ranked, finding.Enforce)
	b.Most = 2
	denied := []string{b.Group("denied a"), b.Group("denied b"), b.Group("denied c")}
	for _, group := range denied {
		b.Open(group, 22, "0.0.0.0/0")
	}
	others := []string{b.Group("e"), b.Group("f"), b.Group("g")}
	for _, group := range others {
		b.Open(group, 5432, "0.0.0.0/0")
	}
	b.Client = sweeptest.Denying{EC2: b.Client, Groups: denied}
	tried := map[string]int{}
	for range 6 {
		order, err := b.Sweep()
		require.NoError(t, err)
		require.NotEmpty(t, order.Findings, "a slot that is free is used")
		require.LessOrEqual(t, len(order.Findings), 2)
		for _, f := range order.Findings {
			tried[f.GroupName]++
		}
		_ = b.Close(order, 1)
		b.Pass(24 * time.Hour)
	}
	for _, group := range others {
		assert.Empty(t, b.Ports(group))
	}
	for _, name := range []string{"denied a", "denied b", "denied c"} {
		assert.GreaterOrEqual(t, tried[name], 2, "%s: the denied ones take turns with what is left", name)
	}
}

func TestARunThatIsRetriedChoosesTheSame(t *testing.T) {
	b := sweeptest.NewSweep(t, ranked, finding.Enforce)
	b.Most = 1
	b.Open(b.Group("a"), 22, "0.0.0.0/0")
	b.Open(b.Group("b"), 5432, "0.0.0.0/0")
	at := b.Time()
	var ids []string
	for range 2 { // Lambda lost the answer of the first
		order, err := b.Sweeper().Sweep(t.Context(), cloudtrail.Event{EventID: "run", EventTime: at, AccountID: sweeptest.Account, Region: sweeptest.Region})
		require.NoError(t, err)
		require.Len(t, order.Findings, 1)
		ids = append(ids, order.Findings[0].ID)
		b.Pass(time.Minute)
	}
	assert.Equal(t, ids[0], ids[1])
}

func TestAMemoryThatHangsKeepsNothingFromBeingReportedAndNothingFromBeingClosed(t *testing.T) {
	for name, action := range map[string]string{"read": "Scan", "written": "BatchWriteItem"} {
		t.Run(name, func(t *testing.T) {
			b := sweeptest.NewSweep(t, ranked, finding.Enforce)
			b.Most = 1
			b.Open(b.Group("a"), 22, "0.0.0.0/0")
			b.Open(b.Group("b"), 5432, "0.0.0.0/0")
			b.Hanging = action
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			order, err := b.Sweeper().Sweep(ctx, cloudtrail.Event{EventID: "run", AccountID: sweeptest.Account, Region: sweeptest.Region})
			require.NoError(t, err)
			require.NoError(t, ctx.Err(), "the platform has not yet ended the invocation and thrown the order away")
			assert.Len(t, order.Findings, 1)
			assert.Len(t, b.Alert().Findings, 1)
			assert.Contains(t, b.Log.String(), `"memory failed"`)
		})
	}
}
