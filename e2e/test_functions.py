"""The built binaries alone: on AWS's Runtime Interface Emulator, and detect's word on each file of ../events."""

import json
import os
import platform
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import samcli

from cloud import REGION, free_port
from records import EVENTS, from_file

RIE = Path(samcli.__file__).parent / "local" / "rapid" / (
    "aws-lambda-rie-arm64" if platform.machine().lower() in ("aarch64", "arm64") else "aws-lambda-rie-x86_64")

SETTINGS = {"MODE": "observe", "ALERT_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts",
            "FINDINGS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/findings",
            "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters"}

TABLE = dict(re.findall(r"^\| `([\w./-]+\.json)` \| .* \| (revoke|alert|inspect|none) \|$",
                        (EVENTS / "README.md").read_text(), re.MULTILINE))


@contextmanager
def emulated(bootstrap: Path, **environment: str):
    """The binary under the emulator; yields invoke(event) -> answer."""
    port, api = free_port(), free_port()
    process = subprocess.Popen(
        [str(RIE), "--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{api}",
         str(bootstrap)],
        cwd=bootstrap.parent,
        env={"PATH": os.environ["PATH"], "AWS_REGION": REGION, "AWS_LAMBDA_LOG_FORMAT": "JSON",
             "LAMBDA_TASK_ROOT": str(bootstrap.parent), **environment},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def invoke(event) -> dict:
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        for _ in range(100):
            try:
                with urllib.request.urlopen(url, data=json.dumps(event).encode(), timeout=30) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError:
                raise
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)  # the emulator is not listening yet
        raise AssertionError("the Runtime Interface Emulator did not start")

    try:
        yield invoke
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_detect_runs_on_awss_runtime_interface_emulator(build):
    with emulated(build.bootstrap("DetectFunction")) as invoke:
        detection = invoke(from_file("ingress-mysql-world.json"))
        refused = invoke({"detail": "torn"})
        again = invoke(from_file("ingress-mysql-world.json"))

    assert detection["decision"] == "revoke"
    assert {"errorType", "errorMessage"} <= set(refused)
    assert again == detection, "one error must not end the process"


@pytest.mark.parametrize("function", ["DetectFunction", "RemediateFunction", "SweepFunction"])
def test_each_function_is_shipped_with_the_licences_of_what_it_links(build, function):
    texts = (build.bootstrap(function).parent / "THIRD_PARTY_LICENSES").read_text()

    assert "\ngithub.com/aws/aws-lambda-go v" in texts
    assert "\nCopyright 2009 The Go Authors.\n" in texts


def test_remediate_runs_on_awss_runtime_interface_emulator(build):
    poison = {"messageId": "a", "body": "{}", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:::q", "attributes": {}}
    settings = SETTINGS | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

    with emulated(build.bootstrap("RemediateFunction"), **settings) as invoke:
        assert invoke({"Records": []}) == {"batchItemFailures": []}
        assert invoke({"Records": [poison]}) == {"batchItemFailures": [{"itemIdentifier": "a"}]}


def test_sweep_runs_on_awss_runtime_interface_emulator(build):
    """With the policy that it is built with, which makes no exceptions. Events of another region ask nothing of AWS."""
    settings = SETTINGS | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "MAX_REVOKES": "20"}

    with emulated(build.bootstrap("SweepFunction"), **settings) as invoke:
        assert "another region" in invoke(from_file("sweep/scheduled-day.json") | {"region": "eu-west-1"})["errorMessage"]
        refused = invoke({"detail": "torn"})
        assert {"errorType", "errorMessage"} <= set(refused)
        elsewhere = from_file("sweep/modify-prefix-list-one-entry-world.json")
        elsewhere["region"] = elsewhere["detail"]["awsRegion"] = "eu-west-1"
        assert "region" in invoke(elsewhere)["errorMessage"]


@pytest.mark.parametrize(
    ("function", "wrong"),
    [("RemediateFunction", {"MODE": "Enforce!"}), ("SweepFunction", {"MODE": "Enforce!"}),
     ("SweepFunction", {"MAX_REVOKES": "-1"}),
     ("RemediateFunction", {"ALERT_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:alerts"}),
     ("SweepFunction", {"ALERT_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:alerts"})],
    ids=["remediate-mode", "sweep-mode", "sweep-max-revokes", "remediate-topic-elsewhere", "sweep-topic-elsewhere"])
def test_a_function_does_not_start_with_a_setting_that_it_does_not_understand(build, function, wrong):
    done = subprocess.run(
        [str(build.bootstrap(function))], timeout=30, capture_output=True, text=True,
        env=SETTINGS | {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "AWS_REGION": REGION, "AWS_LAMBDA_LOG_FORMAT": "JSON",
                        "LAMBDA_TASK_ROOT": str(build.bootstrap(function).parent)} | wrong)

    (name,) = wrong
    assert done.returncode != 0
    assert name in done.stdout + done.stderr


def test_the_table_of_events_names_every_file():
    assert set(TABLE) == {path.name for path in EVENTS.glob("*.json")}
    listed = re.findall(r"^\| `((?:unmatched|sweep)/[\w-]+\.json)` \|", (EVENTS / "README.md").read_text(), re.MULTILINE)
    assert set(listed) == {path.relative_to(EVENTS).as_posix() for path in EVENTS.glob("*/*.json")}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_deployed_detect_decides_as_the_table_of_events_says(enforcing, name):
    assert enforcing.invoke(from_file(name))["decision"] == TABLE[name]
