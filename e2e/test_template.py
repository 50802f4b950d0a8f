"""The template's patterns and filters, judged by event-ruler: the matcher that AWS runs in EventBridge, in the open."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from samcli.yamlhelper import yaml_parse

import records
from pipeline import SWEEP, DETECT
from records import EVENTS
from stack import ROOT, TEMPLATE

STAGES = pytest.mark.parametrize("stage", [DETECT, SWEEP], ids=["detect", "sweep"])

RULER = Path(__file__).resolve().parent / "ruler"
# Named after what is asked for: a newer version is fetched into a new folder.
JARS = ROOT / "build" / f"event-ruler-{hashlib.sha256((RULER / 'pom.xml').read_bytes()).hexdigest()[:12]}"


@pytest.fixture(scope="module")
def resources():
    return yaml_parse(TEMPLATE.read_text())["Resources"]


@pytest.fixture(scope="module")
def pattern(resources):
    """pattern(stage): of the rule that wakes the stage's function, as CloudFormation makes it in the account of the records."""
    here = {"AWS::AccountId": "123456789012", "AWS::Region": "us-east-1"}

    def of(stage):
        found = resources[stage.rule]["Properties"]["EventPattern"]
        return found | {key: [here[each["Ref"]] for each in found[key]] for key in ("account", "region")}

    return of


@pytest.fixture(scope="module")
def queue_filters(resources) -> list[dict]:
    return [json.loads(each["Pattern"]) for each in resources["FindingsMapping"]["Properties"]["FilterCriteria"]["Filters"]]


@pytest.fixture(scope="module")
def matching():
    """matching(pattern, events): the names of those that match. Missing tools fail, as a skip would look like success."""
    for tool in ("java", "mvn"):
        if not shutil.which(tool):
            pytest.fail(f"{tool} was not found: this check needs a JDK (17 or later) and Maven", pytrace=False)
    if not JARS.exists():
        fetched = subprocess.run(
            ["mvn", "--quiet", "--batch-mode", "--file", str(RULER / "pom.xml"), "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={JARS}"],
            capture_output=True, text=True)
        if fetched.returncode != 0:
            shutil.rmtree(JARS, ignore_errors=True)  # a part must not pass for the whole
            pytest.fail(fetched.stdout + fetched.stderr, pytrace=False)
    verify(JARS, RULER / "SHA256SUMS")

    def judge(pattern: dict, events: dict[str, dict]) -> set[str]:
        lines = [line for event in events.values() for line in (json.dumps(event), json.dumps(pattern))]
        judged = subprocess.run(
            ["java", "-cp", f"{JARS}/*", str(RULER / "Judge.java")],
            input="\n".join(lines) + "\n", capture_output=True, text=True)
        assert judged.returncode == 0, judged.stderr
        answers = judged.stdout.split()
        assert len(answers) == len(events)
        return {name for name, answer in zip(events, answers) if answer == "true"}

    return judge


def verify(folder: Path, sums: Path) -> None:
    """The folder holds exactly the files that the list names, each with its checksum."""
    wanted = {name: digest for digest, name in (line.split() for line in sums.read_text().splitlines())}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    assert not wrong, f"{', '.join(wrong)} in {folder}: not what {sums} says; nothing of it is run"


@pytest.mark.parametrize(
    ("wrong", "change"),
    [("a.jar", lambda folder: (folder / "a.jar").write_text("other")), ("a.jar", lambda folder: (folder / "a.jar").unlink()),
     ("b.jar", lambda folder: (folder / "b.jar").write_text("more"))],
    ids=["another content", "missing", "one more"])
def test_a_jar_with_another_checksum_is_not_run(tmp_path, wrong, change):
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "a.jar").write_text("as it was")
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{hashlib.sha256(b'as it was').hexdigest()}  a.jar\n")
    verify(jars, sums)

    change(jars)

    with pytest.raises(AssertionError, match=f"^{wrong} in "):
        verify(jars, sums)


def every_event() -> dict[str, dict]:
    files = sorted(EVENTS.rglob("*.json"))
    assert len(files) > 30
    return {path.relative_to(EVENTS).as_posix(): json.loads(path.read_text()) for path in files}


def with_failures(events: dict[str, dict]) -> dict[str, dict]:
    """The events, and each call as it would be recorded had it failed."""
    return events | {f"failed {name}": records.failed(event, "Client.UnauthorizedOperation") for name, event in events.items()}


def test_the_rule_passes_on_exactly_the_events_that_can_open_a_group(matching, pattern):
    events = with_failures(every_event())

    assert matching(pattern(DETECT), events) == {name for name in every_event() if "/" not in name}


def test_the_rule_for_sweep_passes_on_exactly_the_edits_of_prefix_lists(matching, pattern):
    events = with_failures(every_event())

    assert matching(pattern(SWEEP), events) == {
        f"sweep/{name}.json" for name in
        ("modify-prefix-list-one-entry-world", "modify-prefix-list-several-entries", "restore-prefix-list-version")}


def test_calls_whose_parameters_are_left_out_wake_sweep_too(matching, pattern):
    events = with_failures(every_event())

    assert matching(pattern(SimpleNamespace(rule="UnnamedCallsRule")), events) == {
        "ingress-mysql-world-request-omitted.json", "ingress-request-and-response-omitted.json"}


@STAGES
def test_the_deployed_rule_judges_as_event_ruler_does(matching, pattern, enforcing, stage):
    events = with_failures(every_event())

    assert {name for name, event in events.items() if enforcing.matches(event, stage)} == matching(pattern(stage), events)


@pytest.mark.parametrize(
    ("stage", "name"),
    [(DETECT, "ingress-mysql-world.json"), (SWEEP, "sweep/restore-prefix-list-version.json")], ids=["detect", "sweep"])
def test_the_rule_ignores_other_accounts_regions_sources_and_services(matching, pattern, stage, name):
    event = every_event()[name]
    detail = event["detail"]
    others = {
        "another account": event | {"account": "111122223333"},
        "another region": event | {"region": "eu-west-1"},
        "another source": event | {"source": "aws.s3"},
        "not from CloudTrail": event | {"detail-type": "EC2 Instance State-change Notification"},
        "another service": event | {"detail": detail | {"eventSource": "vpc-lattice.amazonaws.com"}},
        "an empty error code": event | {"detail": detail | {"errorCode": ""}},
    }

    assert matching(pattern(stage), others | {"itself": event}) == {"itself"}


def test_only_the_rules_of_the_stack_may_invoke_its_functions(resources):
    """By resource policy; whoever has lambda:InvokeFunction by an identity policy still may."""
    permissions = [each["Properties"] for name, each in resources.items()
                   if each["Type"] == "AWS::Lambda::Permission" and not name.startswith(("Slack", "Outlets"))]
    rules = {name: each["Properties"]["Targets"] for name, each in resources.items() if each["Type"] == "AWS::Events::Rule"}

    assert sorted((each["SourceArn"]["Fn::GetAtt"], each["FunctionName"]["Ref"]) for each in permissions) == sorted(
        ([name, "Arn"], target["Arn"]["Fn::GetAtt"][0]) for name, targets in rules.items() for target in targets)
    assert {(each["Principal"], each["Action"]) for each in permissions} == {("events.amazonaws.com", "lambda:InvokeFunction")}


@pytest.mark.parametrize("kind", ["", "Alarm"])
def test_only_the_topics_that_slack_subscribes_to_may_invoke_its_function_and_one_at_a_time(resources, kind):
    """ministack has no reserved concurrency."""
    permission, subscription = (resources[f"Slack{kind}{what}"]["Properties"] for what in ("Permission", "Subscription"))

    assert (permission["Principal"], permission["Action"]) == ("sns.amazonaws.com", "lambda:InvokeFunction")
    assert permission["SourceArn"] == subscription["TopicArn"]
    assert resources["SlackFunction"]["Properties"]["ReservedConcurrentExecutions"] == 1


def test_whoever_writes_in_the_chat_channel_may_only_read_metrics(resources):
    channel, role = resources["SlackChannel"]["Properties"], resources["ChatRole"]["Properties"]
    actions = [action for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"] for action in each["Action"]]

    assert [each["Fn::Sub"].rpartition("/")[2] for each in channel["GuardrailPolicies"]] == ["CloudWatchReadOnlyAccess"]
    assert "ManagedPolicyArns" not in role
    assert all(action.startswith(("cloudwatch:Describe", "cloudwatch:Get", "cloudwatch:List")) for action in actions)


def test_the_table_is_under_ones_own_key_where_there_is_one_and_lets_items_expire(resources):
    """ministack leaves both out of the table that it makes."""
    table = resources["MemoryTable"]["Properties"]

    assert table["SSESpecification"] == {"Fn::If": [
        "OwnKey", {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "KmsKeyArn"}}, {"Ref": "AWS::NoValue"}]}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}


def test_the_queue_filter_passes_what_needs_work_and_whatever_has_no_decision(matching, queue_filters, enforcing):
    bodies = {decision: {"responsePayload": {"decision": decision}} for decision in
              ("revoke", "alert", "inspect", "none", "exempt", "Revoke", "", None)}
    bodies |= {
        "no decision": {"responsePayload": {}},
        "a failed invocation": {"responsePayload": {"errorType": "Error", "errorMessage": "no"}},
        "not an invocation record": {"decision": "revoke"},
        "a null answer": {"responsePayload": None},
        "a list": {"responsePayload": {"decision": ["none"]}},
    }
    bodies["a batch's answer"] = {"responsePayload": {"batchItemFailures": []}}
    envelope = records.from_file("sweep/scheduled-day.json")  # without which TestEventPattern takes nothing
    messages = {str(name): envelope | {"messageId": "1", "body": body} for name, body in bodies.items()}

    work = {"revoke", "alert", "inspect"}
    undecided = {"no decision", "a failed invocation", "not an invocation record", "a null answer", "a batch's answer"}

    assert set().union(*(matching(pattern, messages) for pattern in queue_filters)) == work | undecided
    events = enforcing.cloud.client("events")
    deployed = [each["Pattern"] for each in enforcing.stack.mapping("RemediateFunction")["FilterCriteria"]["Filters"]]
    assert work | undecided == {name for name, message in messages.items() if any(
        events.test_event_pattern(EventPattern=pattern, Event=json.dumps(message))["Result"] for pattern in deployed)}
