"""Edits of prefix lists through the deployed sweep, and its daily run."""

import json
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest

import records
from cloud import wait_until
from pipeline import SWEEP
from test_pipeline import CLOSED, WORLD, assert_closed, outcomes

OFFICE = "203.0.113.0/24"

POLICY = """
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: critical, effect: revoke, existing: revoke, ingress: {from: world, ports: [mysql]}}
"""


@pytest.fixture
def closing_policy(packaged):
    """A policy that closes what exists already."""
    return packaged(POLICY)


@contextmanager
def both_judge_by(pipeline, policy: str):
    """sweep chooses and remediate closes, each by its own copy of the policy."""
    with pipeline.configured("SweepFunction", POLICY_FILE=policy), pipeline.configured("RemediateFunction", POLICY_FILE=policy):
        yield


def allow(pipeline, group: str, port: int, prefix_list: str) -> None:
    pipeline.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "PrefixListIds": [{"PrefixListId": prefix_list}]}])


@pytest.fixture
def offices():
    """offices(pipeline): a prefix list that a database and a web server are open to, and what the group then holds."""

    def make(pipeline):
        group, prefix_list = pipeline.new_group(), pipeline.new_prefix_list(OFFICE)
        database, web = f"tcp 3306-3306 {prefix_list}", f"tcp 443-443 {prefix_list}"
        allow(pipeline, group, 3306, prefix_list)
        allow(pipeline, group, 443, prefix_list)
        assert set(pipeline.ingress(group)) == {database, web}
        return group, prefix_list, database, web

    return make


def test_an_edit_that_opens_a_database_is_an_opening_that_the_default_policy_closes(enforcing, offices):
    group, prefix_list, database, web = offices(enforcing)
    record = enforcing.edit_prefix_list(prefix_list, WORLD)

    answer = enforcing.deliver(record, SWEEP)

    assert (answer["decision"], answer["prefixListVersion"]) == ("revoke", 1)
    assert_closed(enforcing, group, database)
    alert = enforcing.alert_for(record)
    assert outcomes(alert) <= CLOSED
    assert [entry["cidr"] for entry in alert["prefixListEntriesBefore"]] == [OFFICE]
    assert [finding["openedByEdit"] for finding in alert["findings"]] == [True]
    enforcing.drained(SWEEP)
    assert set(enforcing.ingress(group)) == {web}


def test_an_edit_of_a_list_that_was_the_world_is_told_and_nothing_is_closed(enforcing, offices):
    """The default policy closes what is made, not what exists."""
    group, prefix_list, database, web = offices(enforcing)
    enforcing.edit_prefix_list(prefix_list, WORLD)
    record = enforcing.edit_prefix_list(prefix_list, "198.51.100.0/24")

    answer = enforcing.deliver(record, SWEEP)

    assert answer["decision"] == "none", "nothing is left to close"
    alert = enforcing.alert_for(record)
    assert (alert["mode"], alert["decision"], outcomes(alert)) == ("enforce", "alert", {"alerted"})
    assert alert["prefixListId"] == prefix_list
    assert {entry["cidr"]: entry.get("added", False) for entry in alert["prefixListEntries"]} == {
        "198.51.100.0/24": True, WORLD: False, OFFICE: False}
    (finding,) = alert["findings"]
    assert (finding["groupId"], finding["rule"]["prefixListId"], finding["rule"]["fromPort"]) == (group, prefix_list, 3306)
    assert "leaves existing ones to people" in finding["left"]
    enforcing.drained(SWEEP)
    assert set(enforcing.ingress(group)) == {database, web}
    assert len(enforcing.alerts_about(record)) == 1


def test_an_edit_is_closed_by_remediate_where_the_policy_says_so(enforcing, offices, closing_policy):
    group, prefix_list, database, web = offices(enforcing)
    with both_judge_by(enforcing, closing_policy):
        record = enforcing.edit_prefix_list(prefix_list, WORLD)

        answer = enforcing.invoke(record, SWEEP)

        assert answer["decision"] == "revoke"
        assert set(enforcing.ingress(group)) == {database, web}, "the first step only chooses"
        assert enforcing.alerts_about(record) == []
        enforcing.hand_over(record, answer, SWEEP)
        assert_closed(enforcing, group, database)
        alert = enforcing.alert_for(record)
        enforcing.drained(SWEEP)

    assert outcomes(alert) <= CLOSED
    (finding,) = alert["findings"]
    assert "authorize-security-group-ingress" in finding["undo"]
    assert prefix_list in finding["undo"]
    assert set(enforcing.ingress(group)) == {web}
    assert len(enforcing.alerts_about(record)) == 1


def test_an_edit_is_told_and_not_closed_in_observe_mode_whatever_the_policy_says(observing, offices, closing_policy):
    group, prefix_list, database, web = offices(observing)
    with observing.configured("SweepFunction", POLICY_FILE=closing_policy):
        record = observing.edit_prefix_list(prefix_list, WORLD)

        answer = observing.deliver(record, SWEEP)

        assert answer["decision"] == "none"
        assert outcomes(observing.alert_for(record)) == {"would_revoke"}
        observing.drained(SWEEP)
    assert set(observing.ingress(group)) == {database, web}


def test_an_edit_that_opens_nothing_is_silent(enforcing, offices):
    group, prefix_list, database, web = offices(enforcing)
    record = enforcing.edit_prefix_list(prefix_list, "198.51.100.0/24", removed=(OFFICE,))

    assert enforcing.deliver(record, SWEEP)["decision"] == "none"

    enforcing.drained(SWEEP)
    assert enforcing.alerts_about(record) == []
    assert set(enforcing.ingress(group)) == {database, web}


@pytest.mark.parametrize("code", ["Client.UnauthorizedOperation", "Client.PrefixListVersionMismatch"])
def test_an_edit_that_failed_goes_no_further_than_the_rule(enforcing, code):
    record = records.from_file("sweep/modify-prefix-list-one-entry-world.json")

    assert enforcing.deliver(records.failed(record, code), SWEEP) is None


def test_a_closing_that_could_not_be_told_comes_back_until_it_is(enforcing, offices, closing_policy, quick_retries):
    group, prefix_list, database, _ = offices(enforcing)
    iam, role = enforcing.cloud.client("iam"), enforcing.stack.ids["RemediateRole"]
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sns:Publish", "Resource": "*"}]}

    def failed() -> int:
        return sum("message will be retried" in line for line in enforcing.stack.log_messages("RemediateLogGroup"))

    with both_judge_by(enforcing, closing_policy):
        before = failed()
        record = enforcing.edit_prefix_list(prefix_list, WORLD)
        iam.put_role_policy(RoleName=role, PolicyName="broken", PolicyDocument=json.dumps(deny))
        try:
            enforcing.deliver(record, SWEEP)
            assert_closed(enforcing, group, database)
            wait_until("the first try to fail", lambda: failed() > before)
            assert enforcing.alerts_about(record) == []
        finally:
            iam.delete_role_policy(RoleName=role, PolicyName="broken")
        alert = enforcing.alert_for(record)
        enforcing.drained(SWEEP)

    (finding,) = alert["findings"]
    assert (alert["try"] > 1, finding["outcome"], finding["maybeEarlier"]) == (True, "already_closed", True)
    assert "authorize-security-group-ingress" in finding["undo"], "the message remembers what no read shows any more"


# --- The sweep. What other tests leave open stands too, so it looks for a port of its own.

SENTINEL = "tcp 7777-7777 0.0.0.0/0"
ON_DEMAND = {"sgward": "sweep"}


@pytest.fixture
def sweep_policy(packaged):
    """sweep_policy(existing, exceptions): the path of a policy about one port."""

    def write(existing: str, exceptions: str = "") -> str:
        return packaged(f"""
version: 1
world: {{ipv4: 9, ipv6: 32}}
statements:
  - {{id: sentinel, severity: high, effect: revoke, existing: {existing}, ingress: {{from: world, ports: [7777/tcp]}}}}
{exceptions}""")

    return write


def stand_open(pipeline) -> str:
    """A group with an opening whose event was lost."""
    group = pipeline.new_group()
    pipeline.authorize_ingress(group, {"IpProtocol": "tcp", "FromPort": 7777, "ToPort": 7777,
                                       "IpRanges": [{"CidrIp": WORLD, "Description": "left by somebody"}]})
    return group


def digest_of(pipeline, answer: dict) -> dict:
    (alert,) = wait_until("the digest", lambda: pipeline.alerts_of_event(answer["event"]["eventId"]))
    return alert


def test_a_sweep_tells_once_what_stands_and_closes_nothing_unless_told_to(enforcing, sweep_policy):
    with enforcing.configured("SweepFunction", POLICY_FILE=sweep_policy("alert")):
        group = stand_open(enforcing)
        answer = enforcing.invoke(ON_DEMAND, SWEEP)
        again = enforcing.invoke(ON_DEMAND, SWEEP)

        assert (answer["decision"], again["decision"]) == ("none", "none")
        alert = digest_of(enforcing, answer)
        assert enforcing.alerts_of_event(again["event"]["eventId"]) == [], "it is known by now"

    (finding,) = [each for each in alert["findings"] if each["groupId"] == group]
    assert (finding["outcome"], finding["rule"]["description"]) == ("alerted", "left by somebody")
    assert "leaves existing ones to people" in finding["left"]
    assert alert["sweep"]["groups"] > 1
    items = enforcing.cloud.client("dynamodb").scan(TableName=enforcing.stack.ids["MemoryTable"])["Items"]
    assert finding["id"] in {item["id"]["S"] for item in items}
    assert SENTINEL in enforcing.ingress(group)


def test_a_sweep_has_remediate_close_once_the_exception_has_ended(enforcing, sweep_policy):
    day = records.from_file("sweep/scheduled-day.json")
    yesterday = (datetime.now(timezone.utc) - timedelta(days=1)).date()
    policy = sweep_policy("revoke", f"""
exceptions:
  - {{id: migration, reason: r, owner: data@example.com, expires: {yesterday}, match: {{ports: [7777/tcp]}}}}
""")
    with both_judge_by(enforcing, policy):
        group = stand_open(enforcing)
        day = day | {"id": str(uuid.uuid4())}
        answer = enforcing.invoke(day, SWEEP)

        assert answer["decision"] == "revoke"
        assert SENTINEL in enforcing.ingress(group), "the first step only chooses"
        enforcing.hand_over(day, answer, SWEEP)
        assert_closed(enforcing, group, SENTINEL)
        (alert,) = wait_until("the alert of the closing", lambda: [
            each for each in enforcing.alerts_of_event(day["id"]) if each.get("sweep", {}).get("closing")])
        enforcing.drained(SWEEP)

    assert outcomes(alert) <= CLOSED
    (finding,) = [each for each in alert["findings"] if each["groupId"] == group]
    assert finding["endedException"] == {"id": "migration", "owner": "data@example.com", "expires": str(yesterday)}
    assert "left by somebody" in finding["undo"]


def test_an_opening_that_no_event_announced_says_that_events_may_be_lost(enforcing, sweep_policy):
    db, table = enforcing.cloud.client("dynamodb"), enforcing.stack.ids["MemoryTable"]
    with enforcing.configured("SweepFunction", POLICY_FILE=sweep_policy("alert")):
        enforcing.invoke(ON_DEMAND, SWEEP)
        group = stand_open(enforcing)
        first = digest_of(enforcing, enforcing.invoke(ON_DEMAND, SWEEP))
        (waiting,) = [item for item in db.scan(TableName=table)["Items"]
                      if item["id"]["S"].startswith("pending-") and item["groupId"]["S"] == group]
        # Events of other tests name no group, so they may be this rule's. Sweep asks for events from a minute before `since` on.
        now = datetime.now(timezone.utc)
        times = {"firstSeen": now - timedelta(hours=1), "since": now + timedelta(minutes=1, seconds=1)}
        db.put_item(TableName=table, Item=waiting | {name: {"S": time.strftime("%Y-%m-%dT%H:%M:%SZ")} for name, time in times.items()})
        second = digest_of(enforcing, enforcing.invoke(ON_DEMAND, SWEEP))

    assert not any(finding.get("unannounced") for finding in first["findings"]), "its event may be on the way"
    assert [finding["groupId"] for finding in second["findings"] if finding.get("unannounced")] == [group]


def test_a_sweep_in_observe_mode_says_what_it_would_close(observing, sweep_policy):
    with observing.configured("SweepFunction", POLICY_FILE=sweep_policy("revoke")):
        group = stand_open(observing)
        answer = observing.invoke(ON_DEMAND, SWEEP)

        assert answer["decision"] == "none"
        alert = digest_of(observing, answer)

    (finding,) = [each for each in alert["findings"] if each["groupId"] == group]
    assert finding["outcome"] == "would_revoke"
    assert SENTINEL in observing.ingress(group)


def test_a_sweep_without_its_table_tells_everything_and_says_so(observing, sweep_policy):
    iam, role = observing.cloud.client("iam"), observing.stack.ids["SweepRole"]
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}]}
    with observing.configured("SweepFunction", POLICY_FILE=sweep_policy("alert")):
        group = stand_open(observing)
        iam.put_role_policy(RoleName=role, PolicyName="broken", PolicyDocument=json.dumps(deny))
        try:
            answers = [observing.invoke(ON_DEMAND, SWEEP) for _ in range(2)]
        finally:
            iam.delete_role_policy(RoleName=role, PolicyName="broken")
        alerts = [digest_of(observing, answer) for answer in answers]

    for alert in alerts:
        assert group in {finding["groupId"] for finding in alert["findings"]}
        assert alert["sweep"]["forgetful"]


def test_the_schedule_wakes_sweep_every_hour_at_a_minute_of_its_own(enforcing):
    events, rule = enforcing.cloud.client("events"), enforcing.stack.ids["ScheduleRule"]
    function = enforcing.cloud.client("lambda").get_function_configuration(FunctionName=enforcing.stack.ids["SweepFunction"])

    (target,) = events.list_targets_by_rule(Rule=rule)["Targets"]

    deployed = events.describe_rule(Name=rule)
    assert (deployed["ScheduleExpression"], deployed["State"]) == ("rate(1 hour)", "ENABLED")
    assert target["Arn"] == function["FunctionArn"]
    assert target["DeadLetterConfig"] == {"Arn": enforcing.stack.queue_arn("DeadLetterQueue")}


def test_an_exception_that_runs_out_is_told_by_the_daily_run_with_its_owner(observing, packaged):
    day = records.from_file("sweep/scheduled-day.json")
    now = datetime.fromisoformat(day["time"].replace("Z", "+00:00")).astimezone(timezone.utc)
    exceptions = "".join(
        f"  - {{id: {name}, reason: r, owner: {name}@example.com, expires: {(now + timedelta(days=days)).date()},"
        f" match: {{groups: [sg-0123456789abcdef0]}}}}\n"
        for name, days in (("ended", -1), ("soon", 7), ("later", 60)))

    with observing.configured("SweepFunction", POLICY_FILE=packaged(f"{POLICY}exceptions:\n{exceptions}")):
        observing.invoke(day, SWEEP)

    (alert,) = wait_until("the alert of the day", lambda: [
        each for each in observing.alerts_of_event(day["id"]) if "sweep" not in each])
    assert {finding["exception"]["id"]: finding["severity"] for finding in alert["findings"]} == {"ended": "low", "soon": "low"}
    assert {finding["exception"]["owner"] for finding in alert["findings"]} == {"ended@example.com", "soon@example.com"}


def test_a_day_with_nothing_new_is_silent(enforcing, sweep_policy):
    day = records.from_file("sweep/scheduled-day.json") | {"id": str(uuid.uuid4())}
    with enforcing.configured("SweepFunction", POLICY_FILE=sweep_policy("alert")):
        enforcing.invoke(ON_DEMAND, SWEEP)

        assert enforcing.invoke(day, SWEEP)["decision"] == "none"

    assert enforcing.alerts_of_event(day["id"]) == []
