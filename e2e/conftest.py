"""Fixtures: the emulators and the deployed stacks, made once for the whole run."""

import json
import os
import statistics
import subprocess
from pathlib import Path

import pytest

from cloud import Cloud
from pipeline import SWEEP, DETECT, Pipeline
from stack import Build

ROOT = Path(__file__).resolve().parent.parent
REVOKE_TIMES = pytest.StashKey[list]()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    running = Cloud(tmp_path_factory.mktemp("cloud"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def build(cloud, tmp_path_factory):
    """template.yaml, built by `sam build`."""
    return Build(cloud, tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="session")
def enforcing(build):
    return Pipeline(build.deploy("enforcing", Mode="enforce"))


@pytest.fixture(scope="session")
def observing(build):
    """Mode is left out: observe is what the template does unless told otherwise."""
    return Pipeline(build.deploy("observing", LogRetentionDays="30"))


@pytest.fixture(scope="session")
def sgward(cloud, tmp_path_factory):
    """Runs the command line, with credentials of the account, and returns the finished process."""
    program = tmp_path_factory.mktemp("bin") / "sgward"
    subprocess.run([os.environ.get("GO", "go"), "build", "-o", program, "./cmd/sgward"], cwd=ROOT, check=True,
                   env=os.environ | {"CGO_ENABLED": "0"}, timeout=600)

    def run(*words: str, status: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run([program, *words], cwd=ROOT, env=cloud.environment(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    run.program = program
    return run


@pytest.fixture
def quick_retries(enforcing):
    """The stages' queues hand a failed message out again after two seconds, not after minutes."""
    sqs = enforcing.cloud.client("sqs")
    before = {stage.queue: enforcing.stack.queue_attribute(stage.queue, "VisibilityTimeout") for stage in (DETECT, SWEEP)}
    for queue in before:
        sqs.set_queue_attributes(QueueUrl=enforcing.stack.ids[queue], Attributes={"VisibilityTimeout": "2"})
    yield
    for queue, seconds in before.items():
        sqs.set_queue_attributes(QueueUrl=enforcing.stack.ids[queue], Attributes={"VisibilityTimeout": seconds})


@pytest.fixture
def few_tries(enforcing):
    """The findings queue gives up after three tries, not after sixty."""
    sqs, url = enforcing.cloud.client("sqs"), enforcing.stack.ids["FindingsQueue"]
    before = enforcing.stack.queue_attribute("FindingsQueue", "RedrivePolicy")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps({**json.loads(before), "maxReceiveCount": 3})})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": before})


@pytest.fixture
def revoke_times(pytestconfig):
    """Milliseconds from the record to the closed group, reported at the end of the run."""
    return pytestconfig.stash.setdefault(REVOKE_TIMES, [])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the functions logged last."""
    report = yield
    for mode in ("enforcing", "observing"):
        if report.failed and mode in getattr(item, "funcargs", {}):
            stack = item.funcargs[mode].stack
            for group in ("DetectLogGroup", "RemediateLogGroup", "SweepLogGroup"):
                report.sections.append((f"{stack.name}: {group}", "\n".join(stack.log_messages(group)[-20:])))
    return report


def pytest_terminal_summary(terminalreporter, config):
    times = config.stash.get(REVOKE_TIMES, [])
    if times:
        terminalreporter.write_sep("=", "measured")
        terminalreporter.write_line(
            f"event to revoked on ministack and moto: median {statistics.median(times):.0f} ms, "
            f"fastest {min(times):.0f} ms, slowest {max(times):.0f} ms of {len(times)} (functions warm)"
        )
