"""A deployed stack seen as a pipeline, and the steps that ministack leaves to the driver.

EC2 calls reach no event bus there, and a function's OnSuccess destination is never delivered. So a record is put to the
deployed rule's own pattern, the rule's function is invoked with it, and its answer is put on the function's queue as
Lambda would put it: in an invocation record, with the rights of the function's role. From there on everything happens by
itself.
"""

import json
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone

import records
from cloud import wait_until
from stack import Stack


@dataclass(frozen=True)
class Stage:
    """A function that a rule wakes and that puts what it returns on a queue. All by logical id."""

    rule: str
    function: str
    role: str
    queue: str


DETECT = Stage("OpeningsRule", "DetectFunction", "DetectRole", "FindingsQueue")
SWEEP = Stage("PrefixListRule", "SweepFunction", "SweepRole", "FindingsQueue")


class Pipeline:
    def __init__(self, stack: Stack, topic: str | None = None):
        """topic is that of the alerts, if it is not the stack's own."""
        self.stack = stack
        self.cloud = stack.cloud
        self.ec2 = self.cloud.client("ec2")
        self._events = self.cloud.client("events")
        self._lambda = self.cloud.client("lambda")
        self._senders = {stage: self.cloud.client("sqs", stack.credentials_of(stage.role)) for stage in (DETECT, SWEEP)}
        self._inbox = Inbox(stack, topic or stack.ids["AlertTopic"])

    # --- what a user of EC2 does; each returns the record of the call

    def new_group(self) -> str:
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        return self.ec2.create_security_group(
            GroupName=f"e2e-{uuid.uuid4().hex[:8]}", Description="end to end", VpcId=vpc)["GroupId"]

    def authorize_ingress(self, group: str, *permissions: dict) -> dict:
        request = {"GroupId": group, "IpPermissions": list(permissions)}
        before = self.ingress(group)
        self.ec2.authorize_security_group_ingress(**request)
        # moto's answer lists the rules of the last permission only.
        made = [rule for key, rule in self.ingress(group).items() if key not in before]
        return records.authorized("AuthorizeSecurityGroupIngress", request, made)

    def modify(self, group: str, *rules: dict) -> dict:
        request = {"GroupId": group, "SecurityGroupRules": list(rules)}
        self.ec2.modify_security_group_rules(**request)
        return records.modified(request)

    def new_prefix_list(self, *cidrs: str) -> str:
        return self.ec2.create_managed_prefix_list(
            PrefixListName="offices", AddressFamily="IPv4", MaxEntries=10,
            Entries=[{"Cidr": cidr} for cidr in cidrs])["PrefixList"]["PrefixListId"]

    def edit_prefix_list(self, prefix_list: str, *added: str, removed: tuple[str, ...] = ()) -> dict:
        (before,) = self.ec2.describe_managed_prefix_lists(PrefixListIds=[prefix_list])["PrefixLists"]
        request = {"PrefixListId": prefix_list, "CurrentVersion": before["Version"],
                   "AddEntries": [{"Cidr": cidr} for cidr in added], "RemoveEntries": [{"Cidr": cidr} for cidr in removed]}
        self.ec2.modify_managed_prefix_list(**request)
        return records.prefix_list_modified(request, before)

    def ingress(self, group: str) -> dict[str, dict]:
        """The group's ingress rules as they are now, by `protocol from-to peer`."""
        answer = self.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
        rules = (rule for rule in answer["SecurityGroupRules"] if not rule["IsEgress"])
        return {
            f"{rule['IpProtocol']} {rule['FromPort']}-{rule['ToPort']} {peer_of(rule)}": rule
            for rule in rules
        }

    # --- what AWS does with a record

    def matches(self, record: dict, stage: Stage = DETECT) -> bool:
        """Whether the deployed rule passes the record on."""
        return self._events.test_event_pattern(
            EventPattern=self.stack.event_pattern(stage.rule), Event=json.dumps(record))["Result"]

    def invoke(self, record: dict, stage: Stage = DETECT) -> dict:
        answer = self._lambda.invoke(FunctionName=self.stack.ids[stage.function], Payload=json.dumps(record))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def invoke_asynchronously(self, record: dict, stage: Stage = DETECT) -> None:
        self._lambda.invoke(
            FunctionName=self.stack.ids[stage.function], InvocationType="Event", Payload=json.dumps(record))

    def hand_over(self, record: dict, detection: dict, stage: Stage = DETECT) -> None:
        """What the OnSuccess destination does."""
        self.send(json.dumps({
            "version": "1.0",
            "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": f"{self.stack.ids[stage.function]}:$LATEST",
                "condition": "Success",
                "approximateInvokeCount": 1,
            },
            "requestPayload": record,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": detection,
        }), stage)

    def send(self, body: str, stage: Stage = DETECT) -> None:
        self._senders[stage].send_message(QueueUrl=self.stack.ids[stage.queue], MessageBody=body)

    def send_again(self, stage: Stage = DETECT) -> None:
        """The way back from the dead letters: the event in each goes through its function anew (docs/OPERATIONS.md)."""
        sqs, letters = self.cloud.client("sqs"), self.stack.ids["DeadLetterQueue"]
        for message in sqs.receive_message(QueueUrl=letters, MaxNumberOfMessages=10).get("Messages", []):
            body = json.loads(message["Body"])
            record = body.get("requestPayload", body)
            self.hand_over(record, self.invoke(record, stage), stage)
            sqs.delete_message(QueueUrl=letters, ReceiptHandle=message["ReceiptHandle"])

    def deliver(self, record: dict, stage: Stage = DETECT) -> dict | None:
        """Carries a record as far as the stage's queue. None if the rule does not pass it on, else the Detection."""
        if not self.matches(record, stage):
            return None
        detection = self.invoke(record, stage)
        self.hand_over(record, detection, stage)
        return detection

    @contextmanager
    def configured(self, function: str, **variables: str):
        """The function with some variables of its environment changed."""
        target = {"FunctionName": self.stack.ids[function]}
        before = self._lambda.get_function_configuration(**target)["Environment"]
        self._lambda.update_function_configuration(
            **target, Environment={"Variables": before["Variables"] | variables})
        try:
            yield
        finally:
            self._lambda.update_function_configuration(**target, Environment=before)

    # --- what is seen afterwards

    def alert_for(self, record: dict, timeout: float = 30) -> dict:
        """The machine-readable alert about a record's event."""
        return self._inbox.alert_for(record["detail"]["eventID"], timeout)

    def alerts_about(self, record: dict) -> list[dict]:
        return self.alerts_of_event(record["detail"]["eventID"])

    def alerts_of_event(self, event_id: str) -> list[dict]:
        return self._inbox.alerts_about(event_id)

    def drained(self, stage: Stage = DETECT, timeout: float = 30) -> None:
        """Waits until every message of the stage's queue has been dealt with, or dropped by the filter."""
        wait_until(f"{stage.queue} to be empty", lambda: self.stack.messages_in(stage.queue) == 0, timeout)

    def pause(self) -> None:
        self._set_mapping(False, "Disabled")

    def resume(self) -> None:
        self._set_mapping(True, "Enabled")

    def _set_mapping(self, enabled: bool, state: str) -> None:
        mapping = self.stack.mapping("RemediateFunction")["UUID"]
        self._lambda.update_event_source_mapping(UUID=mapping, Enabled=enabled)
        wait_until(f"the event source mapping to be {state}",
                   lambda: self._lambda.get_event_source_mapping(UUID=mapping)["State"] == state)
        if not enabled:
            time.sleep(1)  # a poll that was under way may still take one batch


def peer_of(rule: dict) -> str | None:
    return rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId")


class Inbox:
    """An SQS subscriber of the alert topic: `default` bodies, kept by event."""

    def __init__(self, stack: Stack, topic: str):
        self._sqs = stack.cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName=f"{stack.name}-inbox")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                           "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}],
        })})
        stack.cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self._alerts: list[dict] = []

    def alert_for(self, event_id: str, timeout: float) -> dict:
        return wait_until(f"an alert about event {event_id}", lambda: self.alerts_about(event_id), timeout)[0]

    def alerts_about(self, event_id: str) -> list[dict]:
        self._fetch()
        return [alert for alert in self._alerts if alert["event"]["eventId"] == event_id]

    def _fetch(self) -> None:
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                notification = json.loads(message["Body"])
                alert = json.loads(notification["Message"])
                self._alerts.append(alert | {"_attributes": notification.get("MessageAttributes", {})})
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
