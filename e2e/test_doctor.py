"""sgward doctor and sgward redrive on a deployed stack, by the APIs of an AWS that others wrote."""

import json
import time
import uuid

import pytest

from test_pipeline import WORLD, tcp

RECORDING = {"ReadWriteType": "All", "IncludeManagementEvents": True}


@pytest.fixture(scope="module")
def trail(cloud):
    """A trail of the account that logs management events."""
    cloud.client("s3").create_bucket(Bucket="trails")
    cloudtrail = cloud.client("cloudtrail")
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    cloudtrail.create_trail(Name=name, S3BucketName="trails", IsMultiRegionTrail=True)
    cloudtrail.put_event_selectors(TrailName=name, EventSelectors=[RECORDING])
    cloudtrail.start_logging(Name=name)
    yield name
    cloudtrail.delete_trail(Name=name)


@pytest.fixture
def examine(sgward, enforcing):
    """Runs doctor, and returns its lines by check. It cannot read the functions' archives here, and nothing else fails: ministack
    names http as the scheme of their addresses and serves https."""

    def run() -> dict[str, list[dict]]:
        done = sgward("doctor", "--stack", enforcing.stack.name, "--format", "json", status=1)
        lines = {}
        for line in map(json.loads, done.stdout.splitlines()):
            lines.setdefault(line["check"], []).append(line)
            assert "error" not in line or line["check"] == "policy", line
        return lines

    return run


def statuses(lines: list[dict]) -> set[str]:
    return {line["status"] for line in lines}


def test_a_sound_stack_is_well(examine, enforcing, trail):
    began = time.monotonic()
    lines = examine()
    print(f"doctor took {time.monotonic() - began:.1f} s")
    for check in ("stack", "trail", "rules", "permissions", "mapping", "queue", "dead letters", "topic", "subscribers", "keys"):
        assert statuses(lines[check]) == {"ok"}, lines[check]
    # ministack's CloudFormation does not say when it changed a resource.
    assert all(line["status"] == "unknown" and "the deployment's, is unknown" in line["text"] for line in lines["functions"]), lines["functions"]


def test_what_is_broken_is_a_failure_with_its_command(examine, enforcing, trail):
    events, client = enforcing.cloud.client("events"), enforcing.cloud.client("lambda")
    rule, mapping = enforcing.stack.ids["OpeningsRule"], enforcing.stack.ids["FindingsMapping"]
    cloudtrail = enforcing.cloud.client("cloudtrail")
    events.disable_rule(Name=rule)
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    cloudtrail.stop_logging(Name=trail)
    try:
        lines = examine()
    finally:
        events.enable_rule(Name=rule)
        client.update_event_source_mapping(UUID=mapping, Enabled=True)
        cloudtrail.start_logging(Name=trail)
    (broken,) = lines["rules"]
    assert broken["status"] == "failure" and rule in broken["fix"] and "enable-rule" in broken["fix"]
    assert statuses(lines["mapping"]) == {"failure"} and mapping in lines["mapping"][0]["fix"]
    assert statuses(lines["trail"]) == {"failure"} and "start-logging" in lines["trail"][0]["fix"]
    assert statuses(examine()["rules"]) == {"ok"}


def test_what_a_role_lacks_is_named_before_anything_has_to_be_closed(examine, enforcing, trail):
    iam, role = enforcing.cloud.client("iam"), enforcing.stack.ids["RemediateRole"]
    document = iam.get_role_policy(RoleName=role, PolicyName="close-openings")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="close-openings")
    try:
        (line,) = examine()["permissions"]
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="close-openings", PolicyDocument=json.dumps(document))
    assert line["status"] == "failure"
    assert line["text"].startswith("the role of RemediateFunction lacks ec2:RevokeSecurityGroupIngress, ec2:RevokeSecurityGroupEgress: nothing is closed")
    assert statuses(examine()["permissions"]) == {"ok"}


def test_a_trail_that_reads_only_is_none(examine, enforcing, trail):
    cloudtrail = enforcing.cloud.client("cloudtrail")
    cloudtrail.put_event_selectors(TrailName=trail, EventSelectors=[RECORDING | {"ReadWriteType": "ReadOnly"}])
    try:
        assert statuses(examine()["trail"]) == {"failure"}
    finally:
        cloudtrail.put_event_selectors(TrailName=trail, EventSelectors=[RECORDING])


def test_a_stack_that_is_not_there_names_those_that_are(sgward, enforcing):
    done = sgward("doctor", "--stack", "elsewhere", status=1)
    assert enforcing.stack.name in done.stderr


def test_a_dead_letter_is_judged_anew(sgward, examine, enforcing, trail):
    """ministack delivers no OnSuccess destination: that detect has judged the event is as far as it goes."""
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(3306, WORLD))
    queue = enforcing.stack.ids["DeadLetterQueue"]
    sender = enforcing.cloud.client("sqs", enforcing.stack.credentials_of("DetectRole"))
    sender.send_message(QueueUrl=queue, MessageBody=json.dumps(record))
    assert statuses(examine()["dead letters"]) == {"failure"}
    shown = sgward("redrive", "--dry-run", "--stack", enforcing.stack.name)
    assert group in shown.stdout and "for detect" in shown.stdout
    assert enforcing.stack.messages_in("DeadLetterQueue") == 1

    sgward("redrive", "--all", "--stack", enforcing.stack.name)
    assert enforcing.stack.messages_in("DeadLetterQueue") == 0
    judged = [line for line in enforcing.stack.log_messages("DetectLogGroup") if group in line and '"judged"' in line]
    assert judged, "detect has judged the event"
