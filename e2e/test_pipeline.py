"""Openings through the deployed stack, judged by what the groups hold and what the alerts say afterwards."""

import time

import pytest

import records
from cloud import wait_until

WORLD, WORLD6 = "0.0.0.0/0", "::/0"


def tcp(port: int, *cidrs: str | tuple[str, str]) -> dict:
    ranges = [each if isinstance(each, tuple) else (each, "") for each in cidrs]
    return {
        "IpProtocol": "tcp", "FromPort": port, "ToPort": port,
        "IpRanges": [{"CidrIp": cidr, "Description": text} for cidr, text in ranges if ":" not in cidr],
        "Ipv6Ranges": [{"CidrIpv6": cidr, "Description": text} for cidr, text in ranges if ":" in cidr],
    }


def outcomes(alert: dict) -> set[str]:
    return {finding["outcome"] for finding in alert["findings"]}


# moto's answer to a revoke does not list what it revoked, so remediate has to look, and finds the rule gone.
CLOSED = {"revoked", "already_closed"}


def assert_closed(pipeline, group, rule):
    wait_until(f"{rule} to be revoked", lambda: rule not in pipeline.ingress(group))


def test_a_database_opened_to_the_world_is_closed_and_one_alert_tells(enforcing):
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(3306, (WORLD, "for the migration")))

    detection = enforcing.deliver(record)

    assert detection["decision"] == "revoke"
    assert_closed(enforcing, group, "tcp 3306-3306 0.0.0.0/0")
    alert = enforcing.alert_for(record)
    assert alert["mode"] == "enforce"
    assert outcomes(alert) <= CLOSED
    (finding,) = alert["findings"]
    assert finding["groupId"] == group
    assert finding["rule"]["cidrIpv4"] == WORLD
    assert "authorize-security-group-ingress" in finding["undo"]
    enforcing.drained()
    assert len(enforcing.alerts_about(record)) == 1


def test_an_opening_over_ipv6_alone_is_closed(enforcing):
    group = enforcing.new_group()

    record = enforcing.authorize_ingress(group, tcp(5432, WORLD6))
    enforcing.deliver(record)

    assert_closed(enforcing, group, "tcp 5432-5432 ::/0")
    assert outcomes(enforcing.alert_for(record)) <= CLOSED


def test_the_private_half_of_a_mixed_permission_stays_with_its_description(enforcing):
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(3306, ("10.0.0.0/8", "application"), (WORLD, "office"), WORLD6))

    enforcing.deliver(record)

    assert_closed(enforcing, group, "tcp 3306-3306 0.0.0.0/0")
    assert_closed(enforcing, group, "tcp 3306-3306 ::/0")
    enforcing.alert_for(record)
    left = enforcing.ingress(group)
    assert list(left) == ["tcp 3306-3306 10.0.0.0/8"]
    assert left["tcp 3306-3306 10.0.0.0/8"]["Description"] == "application"


def test_two_half_worlds_are_closed_like_one_world(enforcing):
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(6379, "0.0.0.0/1", "128.0.0.0/1"))

    enforcing.deliver(record)

    assert_closed(enforcing, group, "tcp 6379-6379 0.0.0.0/1")
    assert_closed(enforcing, group, "tcp 6379-6379 128.0.0.0/1")


def test_a_harmless_rule_edited_to_the_world_is_closed(enforcing):
    group = enforcing.new_group()
    harmless = enforcing.authorize_ingress(group, tcp(3306, "10.0.0.0/8"))
    rule = harmless["detail"]["responseElements"]["securityGroupRuleSet"]["items"][0]["securityGroupRuleId"]

    record = enforcing.modify(group, {
        "SecurityGroupRuleId": rule,
        "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "CidrIpv4": WORLD},
    })
    detection = enforcing.deliver(record)

    assert detection["decision"] == "inspect", "a record of an edit does not tell the direction"
    assert_closed(enforcing, group, "tcp 3306-3306 0.0.0.0/0")
    alert = enforcing.alert_for(record)
    assert outcomes(alert) <= CLOSED
    assert alert["findings"][0]["rule"]["direction"] == "ingress"


def test_a_private_opening_and_https_cost_no_invocation_of_remediate(enforcing):
    group = enforcing.new_group()
    before = enforcing.stack.log_messages("RemediateLogGroup")
    quiet = [
        enforcing.authorize_ingress(group, tcp(3306, "10.0.0.0/8")),
        enforcing.authorize_ingress(group, tcp(443, WORLD, WORLD6)),
    ]

    for record in quiet:
        assert enforcing.deliver(record)["decision"] == "none"

    enforcing.drained()
    assert enforcing.stack.log_messages("RemediateLogGroup") == before
    assert len(enforcing.ingress(group)) == 3
    assert [enforcing.alerts_about(record) for record in quiet] == [[], []]


@pytest.mark.parametrize("code", ["Client.UnauthorizedOperation", "Client.DryRunOperation"])
def test_a_call_that_failed_goes_no_further_than_the_rule(enforcing, code):
    group = enforcing.new_group()
    standing = enforcing.authorize_ingress(group, tcp(3306, WORLD))

    assert enforcing.deliver(records.failed(standing, code)) is None


def test_a_forged_record_cannot_remove_a_compliant_rule(enforcing):
    """The event is a hint: it says the world, the group holds a private rule under the same id."""
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(3306, "10.0.0.0/8"))
    item = record["detail"]["responseElements"]["securityGroupRuleSet"]["items"][0]
    item["cidrIpv4"] = WORLD
    record["detail"]["requestParameters"]["ipPermissions"]["items"][0]["ipRanges"]["items"][0]["cidrIp"] = WORLD

    enforcing.deliver(record)

    assert outcomes(enforcing.alert_for(record)) == {"already_closed"}
    assert list(enforcing.ingress(group)) == ["tcp 3306-3306 10.0.0.0/8"]


def test_a_record_delivered_twice_closes_once_and_harms_nothing(enforcing):
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(22, WORLD), tcp(22, "10.0.0.0/8"))

    enforcing.deliver(record)
    assert_closed(enforcing, group, "tcp 22-22 0.0.0.0/0")
    enforcing.deliver(record)

    wait_until("the second alert", lambda: len(enforcing.alerts_about(record)) == 2)
    assert outcomes(enforcing.alerts_about(record)[1]) == {"already_closed"}
    assert list(enforcing.ingress(group)) == ["tcp 22-22 10.0.0.0/8"]


def test_observe_mode_says_what_it_would_do_and_leaves_the_group_alone(observing):
    group = observing.new_group()
    record = observing.authorize_ingress(group, tcp(3306, WORLD))

    observing.deliver(record)

    alert = observing.alert_for(record)
    assert alert["mode"] == "observe"
    assert outcomes(alert) == {"would_revoke"}
    observing.drained()
    assert list(observing.ingress(group)) == ["tcp 3306-3306 0.0.0.0/0"]


def test_subscribers_can_filter_alerts_by_their_attributes(enforcing):
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(27017, WORLD))

    enforcing.deliver(record)

    attributes = enforcing.alert_for(record)["_attributes"]
    assert {"severity", "outcome", "accountId", "region", "statementId"} <= set(attributes)
    assert attributes["statementId"]["Type"] == "String.Array"


def test_time_from_the_record_to_the_closed_group(enforcing, revoke_times):
    group = enforcing.new_group()
    for port in (1433, 3306, 5432, 6379, 9200, 11211, 27017):
        record = enforcing.authorize_ingress(group, tcp(port, WORLD))
        enforcing.drained()  # ministack has one batch in hand at a time
        started = time.monotonic()
        enforcing.deliver(record)
        wait_until(f"port {port} to be closed", lambda: not enforcing.ingress(group), interval=0.005)
        revoke_times.append((time.monotonic() - started) * 1000)
    assert max(revoke_times) < 10_000
