"""The outlets for machines: a bus of ministack's EventBridge, moto's Security Hub, and what the functions' role may do there."""

import json

import botocore.session
import pytest
from botocore.validate import ParamValidator

from cloud import ACCOUNT, REGION, wait_until
from pipeline import SWEEP, Pipeline

WORLD = "0.0.0.0/0"
PRODUCT = f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default"


@pytest.fixture(scope="module")
def bus(cloud):
    return cloud.client("events").create_event_bus(Name="security")["EventBusArn"]


@pytest.fixture(scope="module")
def pipeline(build, bus):
    return Pipeline(build.deploy("outlets", EventBusArn=bus, SecurityHub="on"))


class Consumer:
    """A queue behind a rule of the bus, by the pattern of docs/OUTLETS.md but for the outcome and severity."""

    def __init__(self, cloud):
        self._sqs, events = cloud.client("sqs"), cloud.client("events")
        self._url = self._sqs.create_queue(QueueName="consumer")["QueueUrl"]
        queue = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = events.put_rule(Name="openings", EventBusName="security", EventPattern=json.dumps({
            "source": ["sgward"], "detail-type": ["Security Group Finding Result"],
            "detail": {"finding": {"statementId": [{"prefix": "world-open-"}]}}}))["RuleArn"]
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
                           "Resource": queue, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}]})})
        events.put_targets(Rule="openings", EventBusName="security", Targets=[{"Id": "consumer", "Arn": queue}])
        self._got: list[dict] = []

    def about(self, group: str) -> list[dict]:
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._got.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in self._got if event["detail"]["finding"].get("groupId") == group]


@pytest.fixture(scope="module")
def consumer(cloud, bus):
    return Consumer(cloud)


def findings_about(cloud, group: str) -> list[dict]:
    """Those in Security Hub whose resource is a group. moto filters nothing."""
    everything = cloud.client("securityhub").get_paginator("get_findings").paginate().build_full_result()["Findings"]
    return [each for each in everything if each["Resources"][0]["Id"].endswith(f":security-group/{group}")]


def test_an_opening_is_an_event_and_an_active_finding_and_archived_once_it_is_closed(pipeline, consumer):
    group = pipeline.new_group()
    record = pipeline.authorize_ingress(group, {
        "IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "IpRanges": [{"CidrIp": WORLD}]})

    pipeline.deliver(record)
    (event,) = wait_until("an event", lambda: consumer.about(group))
    (active,) = wait_until("a finding", lambda: findings_about(pipeline.cloud, group))

    assert (event["source"], event["account"], event["region"]) == ("sgward", ACCOUNT, REGION)
    assert event["resources"] == [f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{group}"]
    assert event["detail"]["finding"]["outcome"] == "would_revoke"
    assert event["detail"]["event"]["eventId"] == record["detail"]["eventID"]
    assert event["detail"]["alertId"] == pipeline.alert_for(record)["id"]
    assert (active["RecordState"], active["Compliance"]["Status"]) == ("ACTIVE", "FAILED")
    assert (active["ProductArn"], active["AwsAccountId"]) == (PRODUCT, ACCOUNT)
    assert active["Id"].endswith(event["detail"]["openingId"])
    assert active["FindingProviderFields"]["Severity"]["Label"] == "CRITICAL"

    with pipeline.configured("RemediateFunction", MODE="enforce"):
        pipeline.deliver(record)
        wait_until("the second event", lambda: len(consumer.about(group)) > 1)
    (archived,) = wait_until("the finding to be archived", lambda: [
        each for each in findings_about(pipeline.cloud, group) if each["RecordState"] == "ARCHIVED"])

    second = consumer.about(group)[-1]["detail"]
    assert second["finding"]["outcome"] in ("revoked", "already_closed")
    assert second["openingId"] == event["detail"]["openingId"]
    assert second["id"] != event["detail"]["id"]
    assert (archived["Id"], archived["Title"]) == (active["Id"], active["Title"]), "the same finding"
    assert archived["Compliance"]["Status"] == "PASSED"
    assert archived["UpdatedAt"] > active["UpdatedAt"]


def test_a_sweep_knows_the_opening_of_a_call_and_archives_it_when_somebody_closed_it(pipeline, consumer):
    """The call was told of by its event; the sweep knows the rule by its values alone."""
    group = pipeline.new_group()
    record = pipeline.authorize_ingress(group, {
        "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": WORLD}]})
    pipeline.deliver(record)
    (active,) = wait_until("a finding", lambda: findings_about(pipeline.cloud, group))

    pipeline.invoke({"sgward": "sweep"}, SWEEP)
    wait_until("the digest", lambda: len(consumer.about(group)) > 1)
    (still,) = findings_about(pipeline.cloud, group)

    assert still["Id"] == active["Id"], "what the sweep found is no second finding"
    first, second = (each["detail"] for each in consumer.about(group))
    assert first["finding"]["id"] != second["finding"]["id"]
    assert first["openingId"] == second["openingId"]

    pipeline.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": WORLD}]}])
    pipeline.invoke({"sgward": "sweep"}, SWEEP)
    (gone,) = wait_until("the finding to be archived", lambda: [
        each for each in findings_about(pipeline.cloud, group) if each["RecordState"] == "ARCHIVED"])
    last = wait_until("the last event", lambda: consumer.about(group)[2:])[0]["detail"]

    assert (gone["Id"], gone["Title"]) == (active["Id"], active["Title"])
    assert (last["openingId"], last["finding"]["outcome"]) == (first["openingId"], "already_closed")


def test_what_is_imported_has_the_members_and_kinds_of_the_api(pipeline):
    """By botocore's model of BatchImportFindings, which knows every member."""
    group = pipeline.new_group()
    record = pipeline.authorize_ingress(group, {
        "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": WORLD, "Description": "from home"}]})
    pipeline.deliver(record)
    imported = wait_until("a finding", lambda: findings_about(pipeline.cloud, group))

    model = botocore.session.get_session().get_service_model("securityhub").operation_model("BatchImportFindings")
    report = ParamValidator().validate({"Findings": imported}, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    spoilt = [each | {"Workflow": {"State": "DONE"}, "Severity": "high"} for each in imported]
    assert ParamValidator().validate({"Findings": spoilt}, model.input_shape).has_errors()


def test_an_alarm_and_an_alert_of_another_account_are_not_sent_to_the_function(pipeline):
    """By the subscription's filter policy."""
    sns = pipeline.cloud.client("sns")
    (subscription,) = [each for each in sns.list_subscriptions_by_topic(TopicArn=pipeline.stack.ids["AlertTopic"])["Subscriptions"]
                       if each["Protocol"] == "lambda"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]

    assert json.loads(attributes["FilterPolicy"]) == {"accountId": [ACCOUNT], "region": [REGION]}


@pytest.mark.parametrize(("action", "resource", "allowed"), [
    ("securityhub:BatchImportFindings", PRODUCT, True),
    ("securityhub:BatchImportFindings", PRODUCT.replace(ACCOUNT, "111122223333"), False),
    ("securityhub:BatchUpdateFindings", PRODUCT, False),
    ("securityhub:GetFindings", PRODUCT, False),
    ("events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default", False),
    ("events:PutRule", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/security", False),
    ("sns:Publish", "*", False), ("ec2:DescribeSecurityGroups", "*", False), ("ec2:RevokeSecurityGroupIngress", "*", False),
])
def test_the_role_imports_findings_and_nothing_else(pipeline, action, resource, allowed):
    (result,) = pipeline.cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=pipeline.stack.role_arn("OutletsRole"), ActionNames=[action], ResourceArns=[resource])["EvaluationResults"]

    assert (result["EvalDecision"] == "allowed") == allowed


def test_the_role_puts_results_on_its_bus_and_no_other_event(pipeline, bus):
    """ministack does not know the condition's keys, so it is read here."""
    policy = pipeline.cloud.client("iam").get_role_policy(RoleName=pipeline.stack.ids["OutletsRole"], PolicyName="put-events")

    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Allow", "events:PutEvents", bus)
    assert statement["Condition"] == {"StringEqualsIfExists": {"events:source": "sgward", "events:detail-type": "Security Group Finding Result"}}


def test_an_alert_that_an_outlet_does_not_take_is_kept(pipeline):
    """ministack's SNS invokes functions without their destinations, so Lambda is asked itself, as SNS does."""
    sqs, url = pipeline.cloud.client("sqs"), pipeline.stack.ids["DeadLetterQueue"]
    group = pipeline.new_group()
    record = pipeline.authorize_ingress(group, {
        "IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389, "IpRanges": [{"CidrIp": WORLD}]})
    pipeline.deliver(record)
    (before,) = wait_until("a finding", lambda: findings_about(pipeline.cloud, group))
    alert = pipeline.alert_for(record)
    alert.pop("_attributes")
    event = {"Records": [{"EventSource": "aws:sns", "Sns": {
        "MessageId": "again", "Timestamp": "2099-01-01T00:00:00.000Z", "Message": json.dumps(alert)}}]}

    with pipeline.configured("OutletsFunction", AWS_ENDPOINT_URL_EVENTBRIDGE="https://127.0.0.1:1"):
        pipeline.cloud.client("lambda").invoke(
            FunctionName=pipeline.stack.ids["OutletsFunction"], InvocationType="Event", Payload=json.dumps(event))
        (letter,) = wait_until("a dead letter", lambda: sqs.receive_message(QueueUrl=url).get("Messages"), timeout=60)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
    body = json.loads(letter["Body"])
    (after,) = findings_about(pipeline.cloud, group)

    assert body["requestPayload"] == event
    assert "putting events on" in body["responsePayload"]["errorMessage"]
    assert (before["UpdatedAt"], after["UpdatedAt"]) != (after["UpdatedAt"],) * 2, "Security Hub has it all the same"
