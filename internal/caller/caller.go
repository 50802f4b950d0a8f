// Package caller identifies the owner of the AWS credentials in use.
package caller

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"sgward/internal/awsid"
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
	accountID, arn, err := identify(ctx, client)
	if parsed, _ := awsid.ParseARN(arn); err == nil && parsed.Service == "iam" {
		actor = policy.Actor{Known: true, ARN: arn}
	}
	return accountID, actor, err
}

// Account returns the account of a client's credentials, and its partition: "aws",
// "aws-cn" or "aws-us-gov".
func Account(ctx context.Context, client Identifier) (accountID, partition string, err error) {
	accountID, arn, err := identify(ctx, client)
	parsed, _ := awsid.ParseARN(arn)
	if err == nil && parsed.Partition == "" {
		err = fmt.Errorf("identifying the credentials: %q is not an ARN", arn)
	}
	return accountID, parsed.Partition, err
}

func identify(ctx context.Context, client Identifier) (accountID, arn string, err error) {
	out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", "", fmt.Errorf("identifying the credentials: %w", err)
	}
	return aws.ToString(out.Account), aws.ToString(out.Arn), nil
}
