package caller_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/caller"
)

type identity struct {
	arn string
	err error
}

func (c identity) GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error) {
	return &sts.GetCallerIdentityOutput{Account: aws.String("123456789012"), Arn: aws.String(c.arn)}, c.err
}

func TestCallerIsKnownWherePoliciesCouldNameThem(t *testing.T) {
	for arn, known := range map[string]bool{
		"arn:aws:iam::123456789012:user/dev/casey":               true,
		"arn:aws:iam::123456789012:root":                         true,
		"arn:aws-cn:iam::123456789012:user/casey":                true,
		"arn:aws:sts::123456789012:assumed-role/Developer/casey": false, // the role's path is not in it
		"arn:aws:sts::123456789012:federated-user/casey":         false,
		"": false,
	} {
		id, actor, err := caller.Of(t.Context(), identity{arn: arn})
		require.NoError(t, err)
		assert.Equal(t, "123456789012", id)
		assert.Equal(t, known, actor.Known, arn)
		if known {
			assert.Equal(t, arn, actor.ARN)
		}
	}
	_, _, err := caller.Of(t.Context(), identity{err: errors.New("no credentials")})
	assert.ErrorContains(t, err, "identifying the credentials")
}
