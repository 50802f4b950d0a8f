// Package caller identifies the owner of the AWS credentials in use.
package caller

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"sgward/internal/policy"
)

// Identifier returns the identity behind a client's credentials. *sts.Client implements
// it.
type Identifier interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

// Of returns the account of a client's credentials, and their actor as policies see it:
// users and root by ARN. A role stays unknown: STS returns its name without the path, and
// without the path the ARN is another role's.
func Of(ctx context.Context, client Identifier) (accountID string, actor policy.Actor, err error) {
	out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", policy.Actor{}, fmt.Errorf("identifying the credentials: %w", err)
	}
	arn := aws.ToString(out.Arn)
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[2] == "iam" {
		actor = policy.Actor{Known: true, ARN: arn}
	}
	return aws.ToString(out.Account), actor, nil
}
