"""What the roles may do, asked of IAM and tried."""

import json

import pytest
from botocore.exceptions import ClientError

from test_failures import dead_letters

OPENING = [
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:ModifySecurityGroupRules",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:ModifyManagedPrefixList",
    "ec2:RestoreManagedPrefixListVersion",
    "iam:PassRole",
]
CLOSING = ["ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress"]
READING = {
    "RemediateRole": [
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeManagedPrefixLists",
        "ec2:GetManagedPrefixListEntries",
    ],
    "SweepRole": [
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeManagedPrefixLists",
        "ec2:GetManagedPrefixListEntries",
        "ec2:GetManagedPrefixListAssociations",
    ],
}
REMEMBERING = ["dynamodb:Scan", "dynamodb:BatchWriteItem"]
READERS = pytest.mark.parametrize("role", ["RemediateRole", "SweepRole"])
QUEUES = ["FindingsQueue", "DeadLetterQueue"]
DENIED = {"AccessDenied", "AccessDeniedException"}
GROUP_ARN = "arn:aws:ec2:us-east-1:123456789012:security-group/sg-0123456789abcdef0"


def decisions(pipeline, role: str, actions: list[str], resource: str) -> dict[str, str]:
    answer = pipeline.cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=pipeline.stack.role_arn(role),
        ActionNames=actions,
        ResourceArns=[resource],
    )
    return {each["EvalActionName"]: each["EvalDecision"] for each in answer["EvaluationResults"]}


@pytest.mark.parametrize("role", ["DetectRole", "RemediateRole", "SweepRole"])
@pytest.mark.parametrize("mode", ["enforcing", "observing"])
def test_a_role_has_nothing_beside_the_policies_of_the_template(request, mode, role):
    """What these grant is compared with the calls of the functions in localaws/permissions_test.go."""
    pipeline = request.getfixturevalue(mode)
    iam, name = pipeline.cloud.client("iam"), pipeline.stack.ids[role]

    statements = [each for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
                  for each in iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]["Statement"]]

    assert statements and {each["Effect"] for each in statements} == {"Allow"}
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []


@pytest.mark.parametrize("role", ["DetectRole", "RemediateRole", "SweepRole"])
@pytest.mark.parametrize("mode", ["enforcing", "observing"])
def test_no_role_can_open_anything_in_any_mode(request, mode, role):
    pipeline = request.getfixturevalue(mode)

    for resource in (GROUP_ARN, "*"):
        assert set(decisions(pipeline, role, OPENING, resource).values()) == {"implicitDeny"}


def test_only_remediate_may_close_and_only_while_enforcing(enforcing, observing):
    assert set(decisions(enforcing, "RemediateRole", CLOSING, GROUP_ARN).values()) == {"allowed"}
    assert set(decisions(observing, "RemediateRole", CLOSING, GROUP_ARN).values()) == {"implicitDeny"}
    assert set(decisions(enforcing, "SweepRole", CLOSING, GROUP_ARN).values()) == {"implicitDeny"}


def test_remediate_may_close_only_in_its_own_account_and_region(enforcing):
    for arn in (GROUP_ARN.replace("us-east-1", "eu-west-1"), GROUP_ARN.replace("123456789012", "111122223333")):
        assert set(decisions(enforcing, "RemediateRole", CLOSING, arn).values()) == {"implicitDeny"}


@READERS
def test_a_role_may_read_what_its_function_judges(observing, role):
    assert set(decisions(observing, role, READING[role], "*").values()) == {"allowed"}


def test_only_sweep_may_use_the_table_and_no_other_table(enforcing):
    table = enforcing.cloud.client("dynamodb").describe_table(TableName=enforcing.stack.ids["MemoryTable"])["Table"]["TableArn"]

    assert set(decisions(enforcing, "SweepRole", REMEMBERING, table).values()) == {"allowed"}
    assert set(decisions(enforcing, "SweepRole", ["dynamodb:DeleteTable", "dynamodb:UpdateTable"], table).values()) == {"implicitDeny"}
    assert set(decisions(enforcing, "SweepRole", REMEMBERING, f"{table}-other").values()) == {"implicitDeny"}
    for role in ("DetectRole", "RemediateRole"):
        assert set(decisions(enforcing, role, REMEMBERING, table).values()) == {"implicitDeny"}


def test_remediate_may_update_its_own_items_and_no_others(enforcing, observing):
    iam, update = enforcing.cloud.client("iam"), ["dynamodb:UpdateItem"]
    table = enforcing.cloud.client("dynamodb").describe_table(TableName=enforcing.stack.ids["MemoryTable"])["Table"]["TableArn"]
    policy = iam.get_role_policy(RoleName=enforcing.stack.ids["RemediateRole"], PolicyName="count-closings")["PolicyDocument"]

    # ministack's simulation takes no keys of items.
    assert policy["Statement"] == [{
        "Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": table,
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["repeat/*"]}}}]
    assert set(decisions(enforcing, "RemediateRole", update, table).values()) == {"allowed"}
    assert set(decisions(enforcing, "RemediateRole", update, f"{table}-other").values()) == {"implicitDeny"}
    for role in ("DetectRole", "SweepRole"):
        assert set(decisions(enforcing, role, update, table).values()) == {"implicitDeny"}
    own = observing.cloud.client("dynamodb").describe_table(TableName=observing.stack.ids["MemoryTable"])["Table"]["TableArn"]
    assert set(decisions(observing, "RemediateRole", update, own).values()) == {"implicitDeny"}, "it closes nothing, so it counts nothing"


def test_detect_may_do_nothing_in_ec2(enforcing):
    everything = {*READING["RemediateRole"], *READING["SweepRole"], *CLOSING}
    answers = decisions(enforcing, "DetectRole", sorted(everything), GROUP_ARN)
    assert set(answers.values()) == {"implicitDeny"}


@READERS
def test_a_real_authorize_with_the_keys_of_a_role_is_refused(enforcing, role):
    """On ministack's own EC2, which asks IAM; moto's does not."""
    ec2 = enforcing.cloud.client(
        "ec2", enforcing.stack.credentials_of(role), endpoint=enforcing.cloud.endpoint)
    owner = enforcing.cloud.client("ec2", endpoint=enforcing.cloud.endpoint)
    group = owner.create_security_group(GroupName=f"refused-{role}", Description="e2e")["GroupId"]

    with pytest.raises(ClientError) as refused:
        ec2.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=3306, ToPort=3306, CidrIp="0.0.0.0/0")

    assert refused.value.response["Error"]["Code"] == "UnauthorizedOperation"
    ec2.describe_security_groups(GroupIds=[group])  # the keys are good; it is the right that is missing


@pytest.mark.parametrize("queue", QUEUES)
def test_nobody_but_the_stacks_functions_can_put_a_message_on_a_queue(enforcing, queue):
    """Not even the account's root."""
    with pytest.raises(ClientError) as refused:
        enforcing.cloud.client("sqs").send_message(QueueUrl=enforcing.stack.ids[queue], MessageBody="forged")

    assert refused.value.response["Error"]["Code"] in DENIED


@pytest.mark.parametrize("role", [None, "SweepRole"])
def test_nobody_but_remediate_can_take_a_message_from_the_findings_queue(enforcing, role):
    """Not even the account's root."""
    url = enforcing.stack.ids["FindingsQueue"]
    sqs = enforcing.cloud.client("sqs", enforcing.stack.credentials_of(role) if role else None)
    for take in (
        lambda: sqs.receive_message(QueueUrl=url),
        lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="any"),
        lambda: sqs.purge_queue(QueueUrl=url),
    ):
        with pytest.raises(ClientError) as refused:
            take()
        assert refused.value.response["Error"]["Code"] in DENIED

    enforcing.cloud.client("sqs", enforcing.stack.credentials_of("RemediateRole")).receive_message(QueueUrl=url)


@pytest.mark.parametrize("role", [None, "DetectRole"])
def test_nobody_but_remediate_and_sweep_can_send_an_alert(observing, role):
    """Not even the account's root, and not a role that some policy lets publish everywhere."""
    iam = observing.cloud.client("iam")
    publish = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}]}
    if role:
        iam.put_role_policy(RoleName=observing.stack.ids[role], PolicyName="everywhere", PolicyDocument=json.dumps(publish))
    try:
        keys = observing.stack.credentials_of(role) if role else None
        sns = observing.cloud.client("sns", keys)
        with pytest.raises(ClientError) as refused:
            sns.publish(TopicArn=observing.stack.ids["AlertTopic"], Message="forged")
        assert refused.value.response["Error"]["Code"] in {*DENIED, "AuthorizationError", "AuthorizationErrorException"}
        other = observing.cloud.client("sns").create_topic(Name="of-somebody-else")["TopicArn"]
        sns.publish(TopicArn=other, Message="as good as any")  # it is the topic's policy that refused
    finally:
        if role:
            iam.delete_role_policy(RoleName=observing.stack.ids[role], PolicyName="everywhere")


@pytest.mark.parametrize("role", ["RemediateRole", "SweepRole"])
def test_remediate_and_sweep_can_send_an_alert(observing, role):
    sns = observing.cloud.client("sns", observing.stack.credentials_of(role))

    assert sns.publish(TopicArn=observing.stack.ids["AlertTopic"], Message=json.dumps({"event": {"eventId": "of nothing"}}))["MessageId"]


def test_the_topic_spares_aws_services_and_lets_only_alarms_of_this_account_publish(observing):
    attributes = observing.cloud.client("sns").get_topic_attributes(TopicArn=observing.stack.ids["AlertTopic"])["Attributes"]
    statements = {each["Sid"]: each for each in json.loads(attributes["Policy"])["Statement"]}
    (allowed,) = [each for each in statements.values() if each["Effect"] == "Allow"]
    denied = statements["OnlySgwardAndAlarmsPublish"]

    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:*"}}
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "sns:Publish")
    assert denied["Condition"]["BoolIfExists"] == {"aws:PrincipalIsAWSService": "false"}


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_refuses_what_is_not_encrypted_in_transit(enforcing, queue):
    """Even the account's root, whom nothing else keeps from reading attributes."""
    asked = {"QueueUrl": enforcing.stack.ids[queue], "AttributeNames": ["QueueArn"]}
    sqs = enforcing.cloud.client("sqs")
    sqs.get_queue_attributes(**asked)
    # ministack takes the scheme from this header, as behind a proxy.
    sqs.meta.events.register(
        "before-sign.sqs.*", lambda request, **_: request.headers.add_header("X-Forwarded-Proto", "http"))

    with pytest.raises(ClientError) as refused:
        sqs.get_queue_attributes(**asked)

    assert refused.value.response["Error"]["Code"] in DENIED


@pytest.mark.parametrize("role", ["DetectRole", "SweepRole", "RemediateRole"])
def test_a_function_can_put_a_message_on_the_queues(enforcing, quick_retries, role):
    sqs = enforcing.cloud.client("sqs", enforcing.stack.credentials_of(role))
    body = json.dumps({"responsePayload": {"decision": "none"}})

    sqs.send_message(QueueUrl=enforcing.stack.ids["FindingsQueue"], MessageBody=body)
    sqs.send_message(QueueUrl=enforcing.stack.ids["DeadLetterQueue"], MessageBody=body)

    enforcing.drained()
    dead_letters(enforcing)


def test_only_the_rules_of_the_stack_may_have_eventbridge_send_dead_letters(enforcing):
    policy = json.loads(enforcing.stack.queue_attribute("DeadLetterQueue", "Policy"))
    senders = ["OpeningsRule", "PrefixListRule", "UnnamedCallsRule", "ScheduleRule"]
    (allowed,) = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    events = enforcing.cloud.client("events")
    rules = [events.describe_rule(Name=enforcing.stack.ids[sender])["Arn"] for sender in senders]
    (operator,) = allowed["Condition"]
    (key,) = allowed["Condition"][operator]
    arns = allowed["Condition"][operator][key]

    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert (operator, key) == ("ArnEquals", "aws:SourceArn")
    assert (arns if isinstance(arns, list) else [arns]) == rules
