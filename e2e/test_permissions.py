"""What the roles may do, asked of IAM and tried."""

import json

import pytest
from botocore.exceptions import ClientError

OPENING = [
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:ModifySecurityGroupRules",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "iam:PassRole",
]
CLOSING = ["ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress"]
READING = [
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeNetworkInterfaces",
    "ec2:GetManagedPrefixListEntries",
]
GROUP_ARN = "arn:aws:ec2:us-east-1:123456789012:security-group/sg-0123456789abcdef0"


def decisions(pipeline, role: str, actions: list[str], resource: str) -> dict[str, str]:
    answer = pipeline.cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=pipeline.stack.role_arn(role),
        ActionNames=actions,
        ResourceArns=[resource],
    )
    return {each["EvalActionName"]: each["EvalDecision"] for each in answer["EvaluationResults"]}


@pytest.mark.parametrize("role", ["DetectRole", "RemediateRole"])
@pytest.mark.parametrize("mode", ["enforcing", "observing"])
def test_no_role_can_open_anything_in_any_mode(request, mode, role):
    pipeline = request.getfixturevalue(mode)

    for resource in (GROUP_ARN, "*"):
        assert set(decisions(pipeline, role, OPENING, resource).values()) == {"implicitDeny"}


def test_remediate_may_close_only_while_enforcing(enforcing, observing):
    assert set(decisions(enforcing, "RemediateRole", CLOSING, GROUP_ARN).values()) == {"allowed"}
    assert set(decisions(observing, "RemediateRole", CLOSING, GROUP_ARN).values()) == {"implicitDeny"}


def test_remediate_may_close_only_in_its_own_account_and_region(enforcing):
    for arn in (GROUP_ARN.replace("us-east-1", "eu-west-1"), GROUP_ARN.replace("123456789012", "111122223333")):
        assert set(decisions(enforcing, "RemediateRole", CLOSING, arn).values()) == {"implicitDeny"}


def test_remediate_may_read_what_it_judges(observing):
    assert set(decisions(observing, "RemediateRole", READING, "*").values()) == {"allowed"}


def test_detect_may_do_nothing_in_ec2(enforcing):
    answers = decisions(enforcing, "DetectRole", READING + CLOSING, GROUP_ARN)
    assert set(answers.values()) == {"implicitDeny"}


def test_a_real_authorize_with_the_keys_of_remediate_is_refused(enforcing):
    """On ministack's own EC2, which asks IAM; moto's does not."""
    ec2 = enforcing.cloud.client(
        "ec2", enforcing.stack.credentials_of("RemediateRole"), endpoint=enforcing.cloud.endpoint)
    owner = enforcing.cloud.client("ec2", endpoint=enforcing.cloud.endpoint)
    group = owner.create_security_group(GroupName="refused", Description="e2e")["GroupId"]

    with pytest.raises(ClientError) as refused:
        ec2.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=3306, ToPort=3306, CidrIp="0.0.0.0/0")

    assert refused.value.response["Error"]["Code"] == "UnauthorizedOperation"
    ec2.describe_security_groups(GroupIds=[group])  # the keys are good; it is the right that is missing


def test_nobody_but_detect_can_put_a_finding_on_the_queue(enforcing):
    queue = enforcing.stack.ids["FindingsQueue"]
    for who in (None, enforcing.stack.credentials_of("RemediateRole")):
        with pytest.raises(ClientError) as refused:
            enforcing.cloud.client("sqs", who).send_message(QueueUrl=queue, MessageBody="forged")
        assert refused.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


@pytest.mark.parametrize(
    "queue", ["FindingsQueue", "FindingsDeadLetterQueue", "DetectDeadLetterQueue", "EventDeadLetterQueue"])
def test_a_queue_refuses_what_is_not_encrypted_in_transit(enforcing, queue):
    sqs = enforcing.cloud.client("sqs", enforcing.stack.credentials_of("DetectRole"))
    # ministack takes the scheme from this header, as behind a proxy.
    sqs.meta.events.register(
        "before-sign.sqs.*", lambda request, **_: request.headers.add_header("X-Forwarded-Proto", "http"))

    with pytest.raises(ClientError) as refused:
        sqs.send_message(QueueUrl=enforcing.stack.ids[queue], MessageBody="{}")

    assert refused.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


def test_only_the_rule_may_send_to_its_dead_letters(enforcing):
    policy = json.loads(enforcing.stack.queue_attribute("EventDeadLetterQueue", "Policy"))
    (allowed,) = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    rule = enforcing.cloud.client("events").describe_rule(Name=enforcing.stack.ids["OpeningsRule"])["Arn"]

    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": rule}}
