package remediation_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// closeAll closes ingress of groupA on port 3306 from each CIDR and prints what became
// of them.
func closeAll(t *testing.T, c *cloud, mode finding.Mode, cidrs ...string) []string {
	t.Helper()
	var openings []remediation.Opening
	for _, s := range cidrs {
		openings = append(openings, opening(t, groupA, secgroup.Ingress, 3306, cidr(s), "e"))
	}
	closer := remediation.Closer{EC2: c, Mode: mode, Logger: discard(), Now: time.Now}
	var out []string
	for i, closing := range closer.Close(context.Background(), openings) {
		assert.Equal(t, openings[i].Rule.Permission, closing.Rule.Permission)
		assert.Equal(t, closing.Outcome == finding.OutcomeFailed || closing.Outcome == "", closing.Err != nil)
		assert.False(t, closing.At.IsZero())
		out = append(out, string(closing.Outcome))
	}
	return out
}

func cloudWith(cidrs ...string) *cloud {
	c := newCloud()
	c.group(groupA)
	for _, s := range cidrs {
		c.authorize(groupA, in(3306, s))
	}
	return c
}

func TestGoneIsAVerdictOnOnePermissionAndNeverOnACall(t *testing.T) {
	c := cloudWith("1.0.0.0/8", "3.0.0.0/8", "10.0.0.0/8")
	got := closeAll(t, c, finding.Enforce, "1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8")
	assert.Equal(t, []string{"revoked", "already_closed", "revoked"}, got)
	assert.Equal(t, []string{"in tcp 3306-3306 10.0.0.0/8"}, c.rules(groupA))
	assert.Equal(t, 3, c.revokes(), "all, what is there, what is not")
}

func TestARuleThatReadsDoNotShowYetIsClosedAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cloudWith("1.0.0.0/8", "3.0.0.0/8")
		c.lag = time.Hour
		got := closeAll(t, c, finding.Enforce, "1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8")
		assert.Equal(t, []string{"revoked", "already_closed", "revoked"}, got)
		assert.Empty(t, c.rules(groupA))
	})
}

func TestARuleThatReadsShowStillIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cloudWith("1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8")
		time.Sleep(time.Hour)
		c.remove(groupA, *c.groups[groupA].rules[1].SecurityGroupRuleId)
		c.lag = time.Minute
		got := closeAll(t, c, finding.Enforce, "1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8")
		assert.Equal(t, []string{"revoked", "already_closed", "revoked"}, got)
		assert.Empty(t, c.rules(groupA))
	})
}

func TestClosingGoesOnWhereAReadIsDenied(t *testing.T) {
	c := cloudWith("1.0.0.0/8", "3.0.0.0/8")
	c.fault = failing("UnauthorizedOperation", "Describe")
	got := closeAll(t, c, finding.Enforce, "1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8")
	assert.Equal(t, []string{"revoked", "already_closed", "revoked"}, got)
}

func TestTheDefaultVPCsSilenceIsRead(t *testing.T) {
	c := cloudWith("1.0.0.0/8")
	c.groups[groupA].defaultVPC = true
	assert.Equal(t, []string{"revoked", "already_closed"}, closeAll(t, c, finding.Enforce, "1.0.0.0/8", "2.0.0.0/8"))
	assert.Equal(t, 1, c.revokes())
	assert.Zero(t, c.reads())
}

func TestAnAnswerThatListsNothingIsLookedInto(t *testing.T) {
	t.Run("closed", func(t *testing.T) {
		c := cloudWith("1.0.0.0/8", "2.0.0.0/8")
		c.unlisted = true
		assert.Equal(t, []string{"revoked", "revoked"}, closeAll(t, c, finding.Enforce, "1.0.0.0/8", "2.0.0.0/8"))
		assert.Equal(t, [2]int{1, 1}, [2]int{c.revokes(), c.reads()})
	})
	t.Run("closed, and reads lag", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := cloudWith("1.0.0.0/8")
			time.Sleep(time.Hour)
			c.unlisted, c.lag = true, time.Minute
			assert.Equal(t, []string{"revoked"}, closeAll(t, c, finding.Enforce, "1.0.0.0/8"))
			assert.Equal(t, 2, c.revokes(), "NotFound proves it")
		})
	})
	t.Run("the look is denied", func(t *testing.T) {
		c := cloudWith("1.0.0.0/8")
		c.unlisted, c.fault = true, failing("UnauthorizedOperation", "Describe")
		assert.Equal(t, []string{"failed"}, closeAll(t, c, finding.Enforce, "1.0.0.0/8"))
	})
	t.Run("not closed", func(t *testing.T) {
		c := cloudWith("1.0.0.0/8")
		c.unlisted = true
		// Accepts every call and does nothing.
		deaf := &deafCloud{cloud: c, accepts: true}
		closer := remediation.Closer{EC2: deaf, Mode: finding.Enforce, Logger: discard(), Now: time.Now}
		got := closer.Close(context.Background(), []remediation.Opening{opening(t, groupA, secgroup.Ingress, 3306, cidr("1.0.0.0/8"), "")})
		assert.Equal(t, finding.OutcomeFailed, got[0].Outcome)
		assert.ErrorContains(t, got[0].Err, "still shows the rule")
	})
	t.Run("not accepted, and no error either", func(t *testing.T) {
		c := cloudWith("1.0.0.0/8")
		closer := remediation.Closer{EC2: &deafCloud{cloud: c}, Mode: finding.Enforce, Logger: discard(), Now: time.Now}
		got := closer.Close(context.Background(), []remediation.Opening{opening(t, groupA, secgroup.Ingress, 3306, cidr("1.0.0.0/8"), "")})
		assert.Equal(t, finding.OutcomeFailed, got[0].Outcome)
		assert.ErrorContains(t, got[0].Err, "return=false")
	})
}

func TestAGroupThatIsGoneHasNothingOpen(t *testing.T) {
	c := cloudWith()
	delete(c.groups, groupA)
	assert.Equal(t, []string{"already_closed", "already_closed"}, closeAll(t, c, finding.Enforce, "1.0.0.0/8", "2.0.0.0/8"))
	assert.Equal(t, 1, c.revokes())
}

func TestADenialEndsTheRound(t *testing.T) {
	c := cloudWith("1.0.0.0/8")
	calls := 0
	c.fault = func(_ context.Context, action, _ string) error {
		if action == "RevokeSecurityGroupIngress" {
			if calls++; calls > 2 {
				return apiError("UnauthorizedOperation")
			}
		}
		return nil
	}
	// All (NotFound), then one by one: the first is gone, the second is denied. The read showed
	// none of them: of the others nobody knows.
	got := closeAll(t, c, finding.Enforce, "2.0.0.0/8", "3.0.0.0/8", "4.0.0.0/8", "5.0.0.0/8")
	assert.Equal(t, []string{"already_closed", "failed", "", ""}, got)
	assert.Equal(t, 3, c.revokes())
}

func TestACloserThatIsNotInEnforceModeDoesNot(t *testing.T) {
	for _, mode := range []finding.Mode{"", finding.Observe, "Enforce"} {
		c := cloudWith("1.0.0.0/8")
		assert.Equal(t, []string{"would_revoke"}, closeAll(t, c, mode, "1.0.0.0/8"))
		assert.Empty(t, c.calls)
	}
}

func TestWhatIsNotKnownWholeIsNotClosed(t *testing.T) {
	c := cloudWith("1.0.0.0/8")
	closer := remediation.Closer{EC2: c, Mode: finding.Enforce, Logger: discard(), Now: time.Now}
	got := closer.Close(context.Background(), []remediation.Opening{
		opening(t, groupA, 0, 3306, cidr("1.0.0.0/8"), ""),
		opening(t, "", secgroup.Ingress, 3306, cidr("1.0.0.0/8"), ""),
		opening(t, groupA, secgroup.Ingress, 3306, secgroup.Peer{}, ""),
	})
	for _, closing := range got {
		assert.Equal(t, finding.OutcomeFailed, closing.Outcome)
		assert.Error(t, closing.Err)
	}
	assert.Empty(t, c.calls)
}

func TestTheAnswersIDAndDescriptionAreKept(t *testing.T) {
	c := cloudWith()
	r := in(3306, "1.0.0.0/8")
	r.Description = new(string)
	*r.Description = "as it was when it went"
	id := c.authorize(groupA, r)
	closer := remediation.Closer{EC2: c, Mode: finding.Enforce, Logger: discard(), Now: time.Now}
	got := closer.Close(context.Background(), []remediation.Opening{opening(t, groupA, secgroup.Ingress, 3306, cidr("1.0.0.0/8"), "")})
	require.Len(t, got, 1)
	assert.Equal(t, id, got[0].Rule.ID)
	assert.Equal(t, "as it was when it went", got[0].Rule.Description)
}
