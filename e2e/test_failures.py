"""What no try could deliver: it is kept, it holds nobody up, and there is a way back."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from samcli.yamlhelper import yaml_parse

import records
from cloud import wait_until
from pipeline import SWEEP, DETECT
from stack import TEMPLATE
from test_pipeline import CLOSED, WORLD, assert_closed, outcomes, tcp


def test_a_poison_message_holds_up_none_of_its_batch_and_ends_in_the_dead_letters(enforcing, quick_retries):
    groups = [enforcing.new_group() for _ in range(4)]
    opened = [enforcing.authorize_ingress(group, tcp(3306, WORLD)) for group in groups]
    enforcing.pause()

    enforcing.deliver(opened[0])
    enforcing.deliver(opened[1])
    enforcing.send(json.dumps({"responsePayload": {"decision": "revoke", "findings": "poison"}}))
    enforcing.deliver(opened[2])
    enforcing.deliver(opened[3])
    enforcing.resume()

    for group, record in zip(groups, opened):
        assert_closed(enforcing, group, "tcp 3306-3306 0.0.0.0/0")
        assert outcomes(enforcing.alert_for(record)) <= CLOSED
    (letter,) = dead_letters(enforcing)
    assert json.loads(letter["Body"])["responsePayload"]["findings"] == "poison"
    assert letter["MessageAttributes"]["reason"]["StringValue"], "remediate says what is wrong with it"
    for record in opened:
        assert len(enforcing.alerts_about(record)) == 1, "a good message of the batch was tried again"


def test_an_alert_that_could_not_be_published_comes_back_from_the_dead_letters(enforcing, quick_retries, few_tries):
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(3306, WORLD))
    iam, role = enforcing.cloud.client("iam"), enforcing.stack.ids["RemediateRole"]
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sns:Publish", "Resource": "*"}]}
    iam.put_role_policy(RoleName=role, PolicyName="broken", PolicyDocument=json.dumps(deny))
    try:
        enforcing.deliver(record)
        assert_closed(enforcing, group, "tcp 3306-3306 0.0.0.0/0")
        wait_until("the dead letter", lambda: enforcing.stack.messages_in("DeadLetterQueue") == 1, timeout=60)
        assert enforcing.alerts_about(record) == []
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="broken")

    enforcing.send_again()

    assert outcomes(enforcing.alert_for(record, timeout=60)) == {"already_closed"}
    wait_until("the dead letters to be gone", lambda: enforcing.stack.messages_in("DeadLetterQueue") == 0)


@pytest.mark.parametrize("stage", [DETECT, SWEEP], ids=["detect", "sweep"])
def test_a_record_that_cannot_be_read_ends_in_the_dead_letters_with_its_event(enforcing, stage):
    record = {"source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "detail": "torn"}

    enforcing.invoke_asynchronously(record, stage)

    (letter,) = dead_letters(enforcing)
    body = json.loads(letter["Body"])
    assert body["requestPayload"] == record
    assert body["requestContext"]["approximateInvokeCount"] == 3, "two retries"
    assert body["responsePayload"]["errorType"]


def test_an_opening_that_ec2_did_not_let_close_is_alerted_logged_and_closed_on_a_later_try(enforcing, quick_retries):
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(3306, WORLD))

    with ec2_refuses(enforcing):
        enforcing.deliver(record)
        alert = enforcing.alert_for(record)

    assert outcomes(alert) == {"failed"}
    assert alert["findings"][0]["errorCode"] == "UnauthorizedOperation"
    assert alert["_attributes"]["outcome"]["Value"] == "failed"
    assert heard_by("RemediateFailedMetric", "revoke failed", enforcing.stack.log_messages("RemediateLogGroup"))
    assert_closed(enforcing, group, "tcp 3306-3306 0.0.0.0/0")
    wait_until("the good news", lambda: outcomes(enforcing.alerts_about(record)[-1]) <= CLOSED)
    enforcing.drained()


def test_a_verdict_that_fits_no_message_is_heard_by_its_alarm(enforcing):
    record = records.from_file("ingress-mysql-world.json")
    record["detail"]["userAgent"] = "x" * 900_000

    enforcing.invoke(record)

    wait_until("the line in the log",
               lambda: heard_by("DetectFailedMetric", "detection does not fit", enforcing.stack.log_messages("DetectLogGroup")))


def test_a_message_without_a_decision_is_kept_and_not_dropped_by_the_filter(enforcing, quick_retries):
    body = {"responsePayload": {"no": "decision"}}
    enforcing.send(json.dumps(body))

    (letter,) = dead_letters(enforcing)
    assert json.loads(letter["Body"]) == body


def test_the_dead_letter_queue_has_one_alarm_that_reaches_the_alert_topic(enforcing):
    name = enforcing.stack.queue_arn("DeadLetterQueue").rsplit(":", 1)[1]
    alarms = enforcing.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]

    watching = [alarm for alarm in alarms if {"Name": "QueueName", "Value": name} in alarm["Dimensions"]]

    (alarm,) = watching
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert alarm["AlarmActions"] == [enforcing.stack.ids["AlertTopic"]]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def dead_letters(pipeline, queue="DeadLetterQueue"):
    """Takes what is in the dead-letter queue out of it, once something is."""
    wait_until(f"a message in {queue}", lambda: pipeline.stack.messages_in(queue) > 0, timeout=60)
    sqs, url = pipeline.cloud.client("sqs"), pipeline.stack.ids[queue]
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])["Messages"]
    for message in taken:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return taken


class RefusingEC2(BaseHTTPRequestHandler):
    """Answers every call as EC2 does where a service control policy forbids it."""

    def do_POST(self):
        body = (b"<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform "
                b"this operation, with an explicit deny in a service control policy.</Message></Error></Errors>"
                b"<RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>")
        self.send_response(403)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def ec2_refuses(pipeline):
    """remediate, with an EC2 that lets it do nothing."""
    with ThreadingHTTPServer(("127.0.0.1", 0), RefusingEC2) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pipeline.configured("RemediateFunction", AWS_ENDPOINT_URL_EC2=f"http://127.0.0.1:{server.server_port}"):
                yield
        finally:
            server.shutdown()


def heard_by(metric_filter: str, message: str, lines: list[str]) -> bool:
    """Whether one of the lines has a message, and a metric filter of the template takes it: { ($.message = "value") || ... }."""
    pattern = yaml_parse(TEMPLATE.read_text())["Resources"][metric_filter]["Properties"]["FilterPattern"]
    assert f'($.message = "{message}") ||' in pattern
    logged = (json.loads(line) for line in lines if line.startswith("{"))
    return any(line.get("message") == message for line in logged)
