"""sgward group and sgward undo on an EC2 that others wrote, and undo of what the deployed stack has closed."""

import json
import os
import pty
import select
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from cloud import REGION
from test_pipeline import WORLD, assert_closed, tcp

ROOT = Path(__file__).resolve().parent.parent
OFFICE = "203.0.113.10/32"
ANYWHERE = [f"{direction} tcp {port}-{port} {cidr}" for direction in ("in", "out") for port in (80, 443) for cidr in (WORLD, "::/0")]


@pytest.fixture
def ec2(cloud):
    return cloud.client("ec2")


@pytest.fixture
def vpc(ec2) -> str:
    return ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]


def held(ec2, group: str) -> set[str]:
    """The group's rules as `in tcp 22-22 203.0.113.10/32`."""
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    return {
        f"{'out' if r['IsEgress'] else 'in'} {r['IpProtocol']} {r['FromPort']}-{r['ToPort']} "
        + (r.get("CidrIpv4") or r.get("CidrIpv6") or r.get("PrefixListId") or r["ReferencedGroupInfo"]["GroupId"])
        for r in rules
    }


def named() -> str:
    return f"e2e-{uuid.uuid4().hex[:8]}"


def test_patterns_become_groups_and_stay_as_they_are(sgward, ec2, vpc):
    create = ("group", "create", "--format", "json", "--vpc-id", vpc)
    web_words = (*create, "--pattern", "web-server", "--name", named(), "--admin-cidr", OFFICE, "--tag", "team=shop")
    assert json.loads(sgward(*web_words, "--dry-run").stdout)["group"] == "would_make"
    made = json.loads(sgward(*web_words).stdout)
    web = made["groupId"]
    want = {*ANYWHERE, f"in tcp 22-22 {OFFICE}"}
    assert held(ec2, web) == want
    assert len(made["rules"]) == len(want)
    (group,) = ec2.describe_security_groups(GroupIds=[web])["SecurityGroups"]
    assert group["Tags"] == [{"Key": "team", "Value": "shop"}]

    again = json.loads(sgward(*web_words).stdout)
    assert again["groupId"] == web
    assert {change["change"] for change in again["changes"]} == {"already_there"}
    assert held(ec2, web) == want

    database = json.loads(sgward(*create, "--pattern", "database", "--port", "postgresql", "--name", named(), "--app-group", web).stdout)
    assert held(ec2, database["groupId"]) == {f"in tcp 5432-5432 {web}", "in tcp 22-22 10.20.0.0/16", f"out tcp 443-443 {WORLD}", "out tcp 443-443 ::/0"}
    scanner = json.loads(sgward(*create, "--pattern", "scanner", "--name", named()).stdout)
    assert held(ec2, scanner["groupId"]) == {"in tcp 22-22 10.0.0.0/16", f"out tcp 443-443 {WORLD}", "out tcp 443-443 ::/0"}


def test_a_refused_group_is_not_made(sgward, ec2, vpc):
    name = named()
    done = sgward("group", "create", "--pattern", "web-server", "--vpc-id", vpc, "--name", name, "--admin-cidr", WORLD, status=3)
    assert "policy.yaml:" in done.stdout
    assert not ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])["SecurityGroups"]


def test_allow_adds_a_rule_once(sgward, ec2, vpc):
    group = ec2.create_security_group(GroupName=named(), Description="end to end", VpcId=vpc)["GroupId"]
    words = ("group", "allow", "--format", "json", "--group-id", group, "--port", "22", "--cidr", OFFICE, "--description")
    assert json.loads(sgward(*words, "SSH from the office").stdout)["changes"][0]["change"] == "made"
    there = json.loads(sgward(*words, "SSH from home").stdout)["changes"][0]
    assert there["change"] == "already_there"
    assert "SSH from the office" in there["note"]
    sgward("group", "allow", "--group-id", group, "--port", "3306", "--cidr", WORLD, "--description", "MySQL", status=3)
    assert held(ec2, group) == {f"in tcp 22-22 {OFFICE}", f"out -1 -1--1 {WORLD}"}


@pytest.fixture
def closed(enforcing, tmp_path):
    """A group of whose rules the deployed stack has closed two, the alert of it, and how the rules were."""
    group = enforcing.new_group()
    record = enforcing.authorize_ingress(group, tcp(3306, (WORLD, "for the migration"), ("::/0", ""), ("10.0.0.0/8", "application")))
    before = enforcing.ingress(group)
    enforcing.deliver(record)
    for peer in (WORLD, "::/0"):
        assert_closed(enforcing, group, f"tcp 3306-3306 {peer}")
    alert = tmp_path / "alert.json"
    alert.write_text(json.dumps(enforcing.alert_for(record)))
    return group, alert, before


def described(rules: dict) -> dict:
    return {key: rule.get("Description", "") for key, rule in rules.items()}


def test_undo_puts_back_what_the_stack_has_closed(sgward, enforcing, closed):
    group, alert, before = closed
    sgward("undo", "--dry-run", str(alert), status=3)
    assert list(enforcing.ingress(group)) == ["tcp 3306-3306 10.0.0.0/8"]
    refused = [json.loads(line) for line in sgward("undo", "--yes", "--format", "json", str(alert), status=3).stdout.splitlines()]
    assert {(line["outcome"], line["confirmed"]) for line in refused} == {("refused", False)}
    assert all("policy.yaml:" in line["errorMessage"] for line in refused), "the statement is named"
    # The records of moto's EC2 reach no event history.
    unconfirmed = sgward("undo", "--yes", "--even-if-forbidden", str(alert), status=1)
    assert "not confirmed that sgward closed it" in unconfirmed.stdout
    assert list(enforcing.ingress(group)) == ["tcp 3306-3306 10.0.0.0/8"]
    done = sgward("undo", "--yes", "--even-if-forbidden", "--even-if-unconfirmed", "--format", "json", str(alert), status=3)
    assert {json.loads(line)["outcome"] for line in done.stdout.splitlines()} == {"put_back"}
    assert "exceptions:" in done.stderr
    assert described(enforcing.ingress(group)) == described(before)
    again = sgward("undo", "--yes", "--format", "json", str(alert), status=3)
    assert {json.loads(line)["outcome"] for line in again.stdout.splitlines()} == {"already_there"}
    assert described(enforcing.ingress(group)) == described(before)


@pytest.mark.parametrize("answer, status, rules", [("n", 1, 1), ("", 1, 1), ("y", 3, 3)])
def test_undo_asks_at_a_terminal(sgward, cloud, enforcing, closed, answer, status, rules):
    group, alert, _ = closed
    mine, its = pty.openpty()
    with subprocess.Popen([sgward.program, "undo", str(alert)], cwd=ROOT, env=cloud.environment(), stdin=its, stdout=its,
                          stderr=its, start_new_session=True) as process:
        os.close(its)
        shown, deadline = "", time.monotonic() + 60
        while "[y/N]" not in shown:
            if time.monotonic() > deadline:
                process.kill()  # else the end of the block waits for it
                pytest.fail(f"undo does not ask: {shown}")
            if select.select([mine], [], [], 1)[0]:
                shown += os.read(mine, 65536).decode()
        assert "open ingress tcp 3306 from 0.0.0.0/0" in shown, "what it will open is shown before it asks"
        assert "not confirmed that sgward closed it" in shown
        assert "The policy forbids all of them. It is not confirmed that sgward closed any of them. Put back 2 rules? [y/N]" in shown
        assert len(enforcing.ingress(group)) == 1, "nothing is done unasked"
        os.write(mine, f"{answer}\n".encode())
        assert process.wait(timeout=60) == status
    os.close(mine)
    assert len(enforcing.ingress(group)) == rules


def test_undo_is_for_the_alerts_account_and_region(sgward, closed, tmp_path):
    _, alert, _ = closed
    sgward("undo", "--yes", "--region", "eu-central-1" if REGION != "eu-central-1" else "us-east-1", str(alert), status=2)
    other = json.loads(alert.read_text())
    for finding in other["findings"]:
        finding["accountId"] = "111122223333"
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(other))
    assert "account 111122223333" in sgward("undo", "--yes", str(forged), status=1).stderr
