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


def test_remediate_runs_on_awss_runtime_interface_emulator(build):
    poison = {"messageId": "a", "body": "{}", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:::q", "attributes": {}}
    settings = {"MODE": "observe", "ALERT_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts",
                "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

    with emulated(build.bootstrap("RemediateFunction"), **settings) as invoke:
        assert invoke({"Records": []}) == {"batchItemFailures": []}
        assert invoke({"Records": [poison]}) == {"batchItemFailures": [{"itemIdentifier": "a"}]}


def test_remediate_does_not_start_with_a_mode_that_it_does_not_know(build):
    done = subprocess.run(
        [str(build.bootstrap("RemediateFunction"))], timeout=30, capture_output=True, text=True,
        env={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "AWS_REGION": REGION, "AWS_LAMBDA_LOG_FORMAT": "JSON",
             "MODE": "Enforce!", "ALERT_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts"})

    assert done.returncode != 0
    assert "MODE" in done.stdout + done.stderr


def test_the_table_of_events_names_every_file():
    assert set(TABLE) == {path.name for path in EVENTS.glob("*.json")}
    listed = re.findall(r"^\| `(unmatched/[\w-]+\.json)` \|", (EVENTS / "README.md").read_text(), re.MULTILINE)
    assert set(listed) == {f"unmatched/{path.name}" for path in (EVENTS / "unmatched").glob("*.json")}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_deployed_detect_decides_as_the_table_of_events_says(enforcing, name):
    assert enforcing.detect(from_file(name))["decision"] == TABLE[name]
