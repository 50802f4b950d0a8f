"""A policy in a layer: made by the CLI, published, given to a stack, and what the packed policy tolerates is closed."""

import base64
import hashlib
import io
import zipfile

import pytest

from organisation import LAYER_DIGEST
from pipeline import Pipeline
from test_pipeline import WORLD, assert_closed, outcomes, tcp

JUDGING = ["DetectFunction", "RemediateFunction", "SweepFunction"]


@pytest.fixture(scope="module")
def layered(build, layer):
    return Pipeline(build.deploy("layered", Mode="enforce", PolicyLayerArn=layer))


def configuration(pipeline, function):
    return pipeline.cloud.client("lambda").get_function_configuration(FunctionName=pipeline.stack.ids[function])


@pytest.mark.parametrize("function", JUDGING)
def test_each_function_that_judges_has_the_layer_and_reads_it(layered, layer, function):
    found = configuration(layered, function)

    assert [each["Arn"] for each in found["Layers"]] == [layer]
    assert found["Environment"]["Variables"]["POLICY_FILE"] == "/opt/sgward/policy.yaml"


def test_the_published_version_has_the_bytes_that_were_made(cloud, archive, layer):
    content = cloud.client("lambda").get_layer_version_by_arn(Arn=layer)["Content"]

    assert (content["CodeSha256"], content["CodeSize"]) == (base64.b64encode(hashlib.sha256(archive).digest()).decode(), len(archive))


@pytest.mark.parametrize("function", JUDGING)
def test_without_the_parameter_there_is_no_layer(observing, function):
    found = configuration(observing, function)

    assert not found.get("Layers")
    assert "POLICY_FILE" not in found.get("Environment", {}).get("Variables", {})


def test_what_the_packed_policy_tolerates_is_closed_by_that_of_the_layer(layered, enforcing, archive, tmp_path):
    """ministack gives custom runtimes no /opt, so the layer is unpacked here."""
    zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path)
    in_layer = str(tmp_path / "sgward" / "policy.yaml")
    group = layered.new_group()
    record = layered.authorize_ingress(group, tcp(443, WORLD))
    assert enforcing.invoke(record)["decision"] == "none", "the packed policy"

    with layered.configured("DetectFunction", POLICY_FILE=in_layer), layered.configured("RemediateFunction", POLICY_FILE=in_layer):
        detection = layered.deliver(record)
        assert (detection["decision"], detection["policyDigest"]) == ("revoke", LAYER_DIGEST)
        assert_closed(layered, group, f"tcp 443-443 {WORLD}")
        alert = layered.alert_for(record)

    assert outcomes(alert) <= {"revoked", "already_closed"}
    assert alert["policyDigest"] == LAYER_DIGEST
    for log in ("DetectLogGroup", "RemediateLogGroup"):
        assert any('"policy loaded"' in line and LAYER_DIGEST in line for line in layered.stack.log_messages(log)), log


def test_a_layer_without_a_policy_judges_nothing(layered, tmp_path):
    """The packed policy must not step in."""
    record = layered.authorize_ingress(layered.new_group(), tcp(3306, WORLD))
    missing = str(tmp_path / "sgward" / "policy.yaml")

    with layered.configured("DetectFunction", POLICY_FILE=missing), pytest.raises(AssertionError) as refused:
        layered.invoke(record)

    assert "the layer of PolicyLayerArn lacks it: want sgward/policy.yaml and sgward/policy.yaml.json" in str(refused.value)


@pytest.mark.parametrize("arn", [
    "arn:aws:lambda:us-east-1:123456789012:layer:sgward-policy",
    "arn:aws:lambda:eu-west-1:123456789012:layer:sgward-policy:1"], ids=["no-version", "another-region"])
def test_what_is_no_layer_of_the_region_is_refused(build, arn, layer):
    """The parameter's pattern refuses the first. Lambda refuses the second, so the deployment fails."""
    with pytest.raises(RuntimeError, match="PolicyLayerArn|region us-east-1"):
        build.deploy("refused-" + ("region" if "eu-west" in arn else "version"), PolicyLayerArn=arn)
