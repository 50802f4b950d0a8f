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
	accountID, arn, parts, err := identify(ctx, client)
	if err == nil && parts[2] == "iam" {
		actor = policy.Actor{Known: true, ARN: arn}
	}
	return accountID, actor, err
}

// Account returns the account of a client's credentials, and its partition: "aws",
// "aws-cn" or "aws-us-gov".
func Account(ctx context.Context, client Identifier) (accountID, partition string, err error) {
	accountID, arn, parts, err := identify(ctx, client)
	if err == nil && parts[1] == "" {
		err = fmt.Errorf("identifying the credentials: %q is no ARN", arn)
	}
	return accountID, parts[1], err
}

// identify also returns the six parts of the ARN, empty if it has another form.
func identify(ctx context.Context, client Identifier) (accountID, arn string, parts [6]string, err error) {
	out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", "", parts, fmt.Errorf("identifying the credentials: %w", err)
	}
	arn = aws.ToString(out.Arn)
	if split := strings.SplitN(arn, ":", len(parts)); len(split) == len(parts) {
		copy(parts[:], split)
	}
	return aws.ToString(out.Account), arn, parts, nil
}
