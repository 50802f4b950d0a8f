"""The template's pattern and filter, judged by event-ruler: the matcher that AWS runs in EventBridge, in the open."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse

from records import EVENTS
from stack import ROOT, TEMPLATE

RULER = Path(__file__).resolve().parent / "ruler"
JARS = ROOT / "build" / "event-ruler"


@pytest.fixture(scope="module")
def resources():
    return yaml_parse(TEMPLATE.read_text())["Resources"]


@pytest.fixture(scope="module")
def pattern(resources):
    return resources["OpeningsRule"]["Properties"]["EventPattern"]


@pytest.fixture(scope="module")
def queue_filter(resources):
    (only,) = resources["FindingsMapping"]["Properties"]["FilterCriteria"]["Filters"]
    return json.loads(only["Pattern"])


@pytest.fixture(scope="module")
def matching():
    """matching(pattern, events): the names of those that match. Missing tools fail, as a skip would look like success."""
    for tool in ("java", "mvn"):
        if not shutil.which(tool):
            pytest.fail(f"{tool} was not found: this check needs a JDK (17 or later) and Maven", pytrace=False)
    if not list(JARS.glob("event-ruler-*.jar")):
        fetched = subprocess.run(
            ["mvn", "--quiet", "--batch-mode", "--file", str(RULER / "pom.xml"), "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={JARS}"],
            capture_output=True, text=True)
        assert fetched.returncode == 0, fetched.stdout + fetched.stderr

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


def every_event() -> dict[str, dict]:
    files = sorted(EVENTS.rglob("*.json"))
    assert len(files) > 30
    return {path.relative_to(EVENTS).as_posix(): json.loads(path.read_text()) for path in files}


def test_the_rule_passes_on_exactly_the_events_that_can_open_a_group(matching, pattern):
    events = every_event()

    assert matching(pattern, events) == {name for name in events if "/" not in name}


def test_the_deployed_rule_judges_as_event_ruler_does(matching, pattern, enforcing):
    events = every_event()

    assert {name for name, event in events.items() if enforcing.matches(event)} == matching(pattern, events)


def test_the_rule_ignores_other_sources_and_services(matching, pattern):
    event = every_event()["ingress-mysql-world.json"]
    detail = event["detail"]
    others = {
        "another source": event | {"source": "aws.s3"},
        "not from CloudTrail": event | {"detail-type": "EC2 Instance State-change Notification"},
        "another service": event | {"detail": detail | {"eventSource": "vpc-lattice.amazonaws.com"}},
        "an empty error code": event | {"detail": detail | {"errorCode": ""}},
    }

    assert matching(pattern, others | {"itself": event}) == {"itself"}


def test_the_queue_filter_passes_exactly_the_decisions_that_need_work(matching, queue_filter):
    bodies = {decision: {"responsePayload": {"decision": decision}} for decision in
              ("revoke", "alert", "inspect", "none", "exempt", "Revoke", "", None)}
    bodies |= {
        "no decision": {"responsePayload": {}},
        "a failed invocation": {"responsePayload": {"errorType": "Error", "errorMessage": "no"}},
        "not an invocation record": {"decision": "revoke"},
        "a null answer": {"responsePayload": None},
        "a list": {"responsePayload": {"decision": ["none"]}},
    }
    messages = {str(name): {"messageId": "1", "body": body} for name, body in bodies.items()}

    assert matching(queue_filter, messages) == {"revoke", "alert", "inspect"}
