// Package caller tells whose AWS credentials there are.
package caller

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"sgward/internal/policy"
)

// Identifier tells whose credentials a client has. *sts.Client is one.
type Identifier interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

// Of returns the account of a client's credentials, and who they are as policies see
// it: users and root by their ARN. Of a role STS tells the name and not the
// path, without which its ARN is another's: it is not known.
func Of(ctx context.Context, client Identifier) (accountID string, actor policy.Actor, err error) {
	out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", policy.Actor{}, fmt.Errorf("asking whose credentials these are: %w", err)
	}
	arn := aws.ToString(out.Arn)
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[2] == "iam" {
		actor = policy.Actor{Known: true, ARN: arn}
	}
	return aws.ToString(out.Account), actor, nil
}
