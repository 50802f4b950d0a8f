"""A release: what `make package` makes, deployed without SAM."""

import copy
import hashlib
import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

from cloud import REGION, wait_until
from organisation import BOUNDARY_ARN, LAYER_DIGEST, parameters_of
from pipeline import Pipeline
from stack import GOARCH, ROOT, TEMPLATE, Stack, create

VERSION = "v0.0.0-e2e"
ARCHITECTURE = {"amd64": "x86_64", "arm64": "arm64"}[GOARCH]
BUCKET_PREFIX = "release"
FUNCTIONS = ("detect", "remediate", "sweep", "slack", "outlets")


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """The folder of a release for this machine, without the command line."""
    folder = tmp_path_factory.mktemp("release") / "dist"
    done = subprocess.run(
        ["make", "package", f"VERSION={VERSION}", f"FUNCTION_ARCHS={ARCHITECTURE}", "CLI_PLATFORMS=",
         f"STAGING={folder.parent / 'staging'}", f"DIST={folder}"],
        cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def template(release) -> dict:
    return yaml_parse((release / "sgward.yaml").read_text())


@pytest.fixture(scope="module")
def installed(cloud, release, alerts, boundary, layer) -> Pipeline:
    """docs/INSTALL.md, from the files of a release to a stack that closes, with all that an organisation gives it."""
    s3 = cloud.client("s3")
    started = time.monotonic()
    bucket = f"{BUCKET_PREFIX}-{REGION}"
    s3.create_bucket(Bucket=bucket)
    for path in release.glob("sgward-*-lambda-*.zip"):
        s3.upload_file(str(path), bucket, f"sgward/{path.name}")
    outputs = create(cloud.client("cloudformation"), "installed", {
        "CodeBucketPrefix": BUCKET_PREFIX, "CodeKeyPrefix": "sgward/", "Architecture": ARCHITECTURE, "Mode": "enforce",
        "PolicyLayerArn": layer, "PermissionsBoundaryName": boundary, **parameters_of(alerts(REGION)),
    }, timeout=120, TemplateBody=(release / "sgward-body.yaml").read_text())
    print(f"from a release to a deployed stack: {time.monotonic() - started:.1f} s")
    assert outputs["Release"] == VERSION
    made = Stack(cloud, "installed")
    for role in ("DetectRole", "RemediateRole", "SweepRole"):  # see test_organisation.py
        cloud.client("iam").put_role_permissions_boundary(RoleName=made.ids[role], PermissionsBoundary=BOUNDARY_ARN)
    return Pipeline(made, alerts(REGION)["AlertTopicArn"])


def test_checksums_are_those_of_the_files(release):
    lines = (release / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                    for path in release.iterdir() if path.name != "SHA256SUMS"}


def test_zips_hold_what_sam_deploys(release, build):
    for name in FUNCTIONS:
        with zipfile.ZipFile(release / f"sgward-{VERSION}-lambda-{name}-{ARCHITECTURE}.zip") as packed:
            inside = {each.filename: packed.read(each) for each in packed.infolist()}
        folder = build.bootstrap(f"{name.capitalize()}Function").parent
        assert inside == {path.name: path.read_bytes() for path in folder.iterdir()}, name


def test_the_template_is_what_sam_makes(template, monkeypatch):
    """But for the code, its tag, and the parts that a release adds."""
    source = yaml_parse(TEMPLATE.read_text())
    source["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    wanted = transform(copy.deepcopy(source), {}, None)
    wanted.pop("Globals", None)
    for resource in wanted["Resources"].values():
        if resource["Type"] == "AWS::Lambda::EventInvokeConfig":
            resource.pop("Metadata", None)
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Metadata"] = {"checkov": resource["Metadata"]["checkov"]}
            resource["Properties"].pop("Code")
            resource["Properties"].pop("Tags")
            resource["Properties"]["Architectures"] = [{"Ref": "Architecture"}]
    made = copy.deepcopy(template)
    for resource in made["Resources"].values():
        resource["Properties"].pop("Code", None)
    for name in ("CodeBucketPrefix", "CodeKeyPrefix", "Architecture"):
        made["Parameters"].pop(name)
        made["Metadata"]["AWS::CloudFormation::Interface"]["ParameterLabels"].pop(name)
    made["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].pop(0)
    made["Outputs"].pop("Release")
    assert json.loads(json.dumps(made)) == json.loads(json.dumps(wanted))


def test_a_call_takes_the_body_which_has_all_that_the_template_has(release, template):
    """By the parser that the AWS CLI uses too. That it makes the same stack is tested in cmd/package."""
    text = (release / "sgward-body.yaml").read_bytes()
    assert len(text) < 51_200, "CloudFormation's limit of a TemplateBody"
    body = yaml_parse(text.decode())
    for section in ("Parameters", "Rules", "Resources", "Outputs"):
        assert list(body[section]) == list(template[section])


def test_cfn_lint_has_nothing_against_the_templates(release):
    # The one exception is in the Metadata, which the body lacks.
    done = subprocess.run([str(Path(sys.executable).parent / "cfn-lint"), "--ignore-checks", "W1031", "--",
                           str(release / "sgward.yaml"), str(release / "sgward-body.yaml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_code_is_of_the_bucket_and_the_architecture(installed):
    function = installed.cloud.client("lambda").get_function_configuration(FunctionName=installed.stack.ids["RemediateFunction"])
    assert function["Architectures"] == [ARCHITECTURE]
    assert function["Runtime"] == "provided.al2023"


def test_an_opening_is_closed_by_a_stack_of_a_release(installed, archive, tmp_path):
    """By the policy of the layer, which ministack does not unpack, to a topic of the organisation."""
    zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path)
    policy = str(tmp_path / "sgward" / "policy.yaml")
    group = installed.new_group()
    record = installed.authorize_ingress(group, {
        "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]})

    with installed.configured("DetectFunction", POLICY_FILE=policy), installed.configured("RemediateFunction", POLICY_FILE=policy):
        detection = installed.deliver(record)
        assert detection["decision"] == "revoke"
        wait_until("the rule to be revoked", lambda: not installed.ingress(group))
        alert = installed.alert_for(record)

    assert (alert["mode"], alert["policyDigest"]) == ("enforce", LAYER_DIGEST)
