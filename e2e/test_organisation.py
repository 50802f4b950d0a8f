"""What an organisation prescribes: a boundary, a path, a VPC, and alerts.yaml for the stacks of two regions."""

import json
import uuid
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from cloud import ACCOUNT, REGION, wait_until
from organisation import BOUNDARY_ARN, OTHER_REGION, boundary_without, parameters_of
from pipeline import Pipeline
from stack import ROOT
from test_permissions import DENIED
from test_pipeline import CLOSED, WORLD, assert_closed, outcomes, tcp

REFUSED = {*DENIED, "AuthorizationError", "AuthorizationErrorException"}
ROLES = ["DetectRole", "RemediateRole", "SweepRole"]


@pytest.fixture(scope="module")
def bounded(build, alerts, boundary):
    here = alerts(REGION)
    stack = build.deploy("bounded", Mode="enforce", PermissionsBoundaryName=boundary, **parameters_of(here))
    # ministack leaves out the boundary of a stack's role, and heeds that of a role. The template's is shown by its Go tests.
    for role in ROLES:
        stack.cloud.client("iam").put_role_permissions_boundary(RoleName=stack.ids[role], PermissionsBoundary=BOUNDARY_ARN)
    return Pipeline(stack, here["AlertTopicArn"])


@pytest.fixture(scope="module")
def elsewhere(build, alerts, boundary):
    """The same parameters in the second region, as a StackSet gives them."""
    return build.deploy("elsewhere", region=OTHER_REGION, PermissionsBoundaryName=boundary, **parameters_of(alerts(OTHER_REGION)))


def test_one_value_of_the_parameters_serves_all_regions(alerts):
    assert alerts(REGION)["Parameters"] == alerts(OTHER_REGION)["Parameters"]
    assert alerts(OTHER_REGION)["AlertTopicArn"] == f"arn:aws:sns:{OTHER_REGION}:{ACCOUNT}:sgward-alerts"
    assert "no channel" in alerts(OTHER_REGION)["Chat"]


def test_alerts_and_alarms_of_each_region_go_to_the_topics_there(bounded, elsewhere, alerts):
    for stack, region in ((bounded.stack, REGION), (elsewhere, OTHER_REGION)):
        for function in ("RemediateFunction", "SweepFunction"):
            settings = stack.cloud.client("lambda").get_function_configuration(FunctionName=stack.ids[function])["Environment"]["Variables"]
            assert settings["ALERT_TOPIC_ARN"] == alerts(region)["AlertTopicArn"]
        alarms = stack.cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stack.name}-")["MetricAlarms"]
        assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(alerts(region)["AlarmTopicArn"],)}
        assert "AlertTopic" not in stack.ids


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_the_path(bounded, role):
    assert bounded.cloud.client("iam").get_role(RoleName=bounded.stack.ids[role])["Role"]["Path"] == "/sgward/"


def test_the_boundary_of_the_page_is_wide_enough_to_close_and_alert(bounded):
    group = bounded.new_group()
    record = bounded.authorize_ingress(group, tcp(3306, WORLD))

    bounded.deliver(record)

    assert outcomes(bounded.alert_for(record)) <= CLOSED
    assert_closed(bounded, group, "tcp 3306-3306 0.0.0.0/0")


def test_a_boundary_that_forbids_closing_forbids_it(bounded):
    """On ministack's own EC2, which asks IAM; moto's does not."""
    owner = bounded.cloud.client("ec2", endpoint=bounded.cloud.endpoint)
    group = owner.create_security_group(GroupName="bounded", Description="e2e")["GroupId"]
    owner.authorize_security_group_ingress(GroupId=group, IpPermissions=[tcp(3306, WORLD)])
    keys = bounded.stack.credentials_of("RemediateRole")
    ec2 = bounded.cloud.client("ec2", keys, endpoint=bounded.cloud.endpoint)

    with bounded_by(bounded, boundary_without("ec2:RevokeSecurityGroupIngress")):
        with pytest.raises(ClientError) as refused:
            ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[tcp(3306, WORLD)])
        assert refused.value.response["Error"]["Code"] == "UnauthorizedOperation"

    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[tcp(3306, WORLD)])


def test_a_boundary_that_forbids_alerts_is_said_in_the_log_and_no_alert_is_lost(bounded):
    sqs, url = bounded.cloud.client("sqs"), bounded.stack.ids["FindingsQueue"]
    before = bounded.stack.queue_attribute("FindingsQueue", "VisibilityTimeout")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "2"})
    group = bounded.new_group()
    record = bounded.authorize_ingress(group, tcp(3306, WORLD))
    try:
        with bounded_by(bounded, boundary_without("sns:Publish")):
            bounded.deliver(record)
            lines = wait_until("the refusal in the log", lambda: [
                line for line in bounded.stack.log_messages("RemediateLogGroup") if "sns:Publish" in line or "AuthorizationError" in line])
            assert_closed(bounded, group, "tcp 3306-3306 0.0.0.0/0")
        assert "AuthorizationError" in lines[0] or "sns:Publish" in lines[0]
        assert outcomes(bounded.alert_for(record)) <= CLOSED
        bounded.drained()
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": before})


@pytest.mark.parametrize("topic", ["AlertTopicArn", "AlarmTopicArn"])
@pytest.mark.parametrize("who", ["root", "another role"])
def test_nobody_but_the_stacks_roles_may_publish(cloud, alerts, topic, who):
    """Not even the account's root, and not a role that some policy lets publish everywhere."""
    there = cloud.in_region(OTHER_REGION)
    keys = None
    if who == "another role":
        iam = cloud.client("iam")
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
        publish = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}]}
        name = f"publisher-{topic}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="everywhere", PolicyDocument=json.dumps(publish))
        keys = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="e2e")["Credentials"]

    with pytest.raises(ClientError) as refused:
        there.client("sns", keys).publish(TopicArn=alerts(OTHER_REGION)[topic], Message="forged")

    assert refused.value.response["Error"]["Code"] in REFUSED


@pytest.mark.parametrize("role", ["RemediateRole", "SweepRole"])
def test_the_roles_of_a_stack_may_publish_alerts_and_no_alarms(elsewhere, alerts, role):
    sns = elsewhere.cloud.client("sns", elsewhere.credentials_of(role))

    assert sns.publish(TopicArn=alerts(OTHER_REGION)["AlertTopicArn"], Message=json.dumps({"event": {"eventId": "of nothing"}}))["MessageId"]
    with pytest.raises(ClientError) as refused:
        sns.publish(TopicArn=alerts(OTHER_REGION)["AlarmTopicArn"], Message="forged")
    assert refused.value.response["Error"]["Code"] in REFUSED


@pytest.mark.parametrize(("given", "reason"), [
    ({"VpcSubnetIds": "subnet-0123456789abcdef0"}, "VpcSubnetIds and VpcSecurityGroupIds go together"),
    ({"AlertTopicName": "alerts"}, "AlertTopicAccountId and AlertTopicName go together"),
    ({"AlarmTopicName": "alarms"}, "AlarmTopicName needs AlertTopicAccountId, whose topic it is"),
    ({"AlertTopicAccountId": ACCOUNT, "AlertTopicName": "alerts"}, "AlertTopicName needs AlarmTopicName or AlarmTopicArn"),
], ids=["half a VPC", "a topic's name alone", "an alarm topic's name alone", "a topic without one for the alarms"])
def test_what_is_half_given_makes_no_stack(build, cloud, given, reason):
    with pytest.raises(RuntimeError) as refused:
        build.deploy("half", **given)

    assert reason in str(refused.value)
    made = cloud.client("cloudformation").list_stacks()["StackSummaries"]
    assert not [each for each in made if each["StackName"] == "half" and each["StackStatus"] not in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE")]


def test_in_a_vpc_every_function_is_there_and_only_lambda_may_make_interfaces(build, cloud):
    ec2 = cloud.client("ec2", endpoint=cloud.endpoint)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="functions", Description="e2e", VpcId=vpc)["GroupId"]

    stack = build.deploy("in-vpc", VpcSubnetIds=subnet, VpcSecurityGroupIds=group, Alarms="essential")

    # ministack's CloudFormation leaves VpcConfig out, so what SAM makes of it is as far as this goes.
    made = cloud.client("cloudformation").get_template(StackName="in-vpc", TemplateStage="Processed")["TemplateBody"]["Resources"]
    wanted = {"SubnetIds": {"Fn::Split": [",", {"Ref": "VpcSubnetIds"}]}, "SecurityGroupIds": {"Fn::Split": [",", {"Ref": "VpcSecurityGroupIds"}]}}
    functions = [each for each in made.values() if each["Type"] == "AWS::Lambda::Function"]
    assert len(functions) == (ROOT / "template.yaml").read_text().count("AWS::Serverless::Function")
    for function in functions:
        assert function["Properties"]["VpcConfig"] == {"Fn::If": ["InVpc", wanted, {"Ref": "AWS::NoValue"}]}
    iam = cloud.client("iam")
    for role in ROLES:
        (statement,) = iam.get_role_policy(RoleName=stack.ids[role], PolicyName="network")["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Allow" and "ec2:CreateNetworkInterface" in statement["Action"]
        assert statement["Condition"]["Null"] == {"lambda:SourceFunctionArn": "true"}, "not for the function's own code"
    assert len(cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix="in-vpc-")["MetricAlarms"]) == 3


@contextmanager
def bounded_by(pipeline, document: str):
    """The roles of a pipeline have another boundary meanwhile."""
    iam = pipeline.cloud.client("iam")
    narrow = iam.create_policy(PolicyName=f"narrow-{uuid.uuid4().hex[:8]}", PolicyDocument=document)["Policy"]["Arn"]
    for role in ROLES:
        iam.put_role_permissions_boundary(RoleName=pipeline.stack.ids[role], PermissionsBoundary=narrow)
    try:
        yield
    finally:
        for role in ROLES:
            iam.put_role_permissions_boundary(RoleName=pipeline.stack.ids[role], PermissionsBoundary=BOUNDARY_ARN)
