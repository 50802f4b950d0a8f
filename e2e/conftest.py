"""Fixtures: the emulators and the deployed stacks, made once for the whole run."""

import json
import os
import statistics
import subprocess

import pytest

from cloud import REGION, Cloud
from organisation import BOUNDARY, LAYER_DIGEST, LAYER_POLICY, OTHER_REGION, boundary_without
from pipeline import SWEEP, DETECT, Pipeline
from stack import ROOT, Build, create

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
def program(tmp_path_factory):
    """The command line."""
    made = tmp_path_factory.mktemp("bin") / "sgward"
    subprocess.run([os.environ.get("GO", "go"), "build", "-o", made, "./cmd/sgward"], cwd=ROOT, check=True,
                   env=os.environ | {"CGO_ENABLED": "0"}, timeout=600)
    return made


@pytest.fixture(scope="session")
def sgward(cloud, program):
    """Runs the command line, with credentials of the account, and returns the finished process."""

    def run(*words: str, status: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run([program, *words], cwd=ROOT, env=cloud.environment(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    run.program = program
    return run


@pytest.fixture(scope="session")
def alerts(cloud):
    """alerts(region): the outputs of alerts.yaml there. Both have the same parameters, a channel of a third region too. ministack
    makes no organisation: whose stacks may send is shown by the tests of the template. As aws:PrincipalArn AWS has the ARN of the
    role, ministack that of the assumed role, which has no path: only here the topic's policy gets both."""
    outputs = {}
    text = (ROOT / "alerts.yaml").read_text()
    for role in ("RemediateRole", "SweepRole"):
        line = f"                  - !Sub arn:${{AWS::Partition}}:iam::*:role${{RolePath}}*-{role}-*\n"
        assert text.count(line) == 2
        text = text.replace(line, line + f"                  - !Sub arn:${{AWS::Partition}}:sts::*:assumed-role/*-{role}-*/*\n")
    for region in (REGION, OTHER_REGION):
        outputs[region] = create(cloud.in_region(region).client("cloudformation"), "sgward-alerts", {
            "RolePath": "/sgward/", "AlertEmail": "security@example.com",
            "ChatRegion": "ap-south-1", "SlackWorkspaceId": "T0123456789", "SlackChannelId": "C0123456789",
        }, timeout=60, TemplateBody=text)
    return outputs.__getitem__


@pytest.fixture(scope="session")
def boundary(cloud):
    path, name = BOUNDARY.split("/")
    cloud.client("iam").create_policy(PolicyName=name, Path=f"/{path}/", PolicyDocument=boundary_without())
    return BOUNDARY


@pytest.fixture(scope="session")
def archive(build, tmp_path_factory):
    """What `sgward policy package` makes. The functions' build has made build/sgward."""
    folder = tmp_path_factory.mktemp("layer")
    (folder / "own.yaml").write_text(LAYER_POLICY)
    made = subprocess.run([ROOT / "build" / "sgward", "policy", "package", "--policy", "own.yaml", "--format", "json"],
                          cwd=folder, check=True, capture_output=True, text=True)
    assert json.loads(made.stdout)["policyDigest"] == LAYER_DIGEST
    return (folder / "policy-layer.zip").read_bytes()


@pytest.fixture
def packaged(build, tmp_path):
    """packaged(text): the path of a policy with its JSON form, as functions read it."""

    def package(text: str) -> str:
        written = tmp_path / "own.yaml"
        written.write_text(text)
        subprocess.run([ROOT / "build" / "sgward", "policy", "package", "--quiet", "--policy", written, "--into", tmp_path],
                       check=True, capture_output=True, text=True)
        return str(tmp_path / "policy.yaml")

    return package


@pytest.fixture(scope="session")
def layer(cloud, archive):
    return cloud.client("lambda").publish_layer_version(
        LayerName="sgward-policy", Description=LAYER_DIGEST, Content={"ZipFile": archive})["LayerVersionArn"]


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
