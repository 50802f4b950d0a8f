"""`--format ocsf`, against the models of the framework that others wrote (py-ocsf-models, from prowler)."""

import json
import typing

import pytest
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from pydantic import BaseModel, ValidationError

from stack import ROOT

DUMP = {"SecurityGroupRules": [{
    "SecurityGroupRuleId": f"sgr-0123456789abcdef{number}", "GroupId": "sg-0123456789abcdef0", "GroupOwnerId": "123456789012",
    "IsEgress": False, "IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIpv4": "0.0.0.0/0", "Description": "from home"}
    for number, port in enumerate((22, 3306, 8080))]}

TEMPLATE = {"Resources": {"Web": {"Type": "AWS::EC2::SecurityGroup", "Properties": {
    "GroupDescription": "web", "SecurityGroupIngress": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}]}}}}


@pytest.fixture(scope="module")
def lines(sgward, tmp_path_factory):
    dump = tmp_path_factory.mktemp("ocsf") / "dump.json"
    dump.write_text(json.dumps(DUMP))
    planned = dump.with_name("web.template.json")
    planned.write_text(json.dumps(TEMPLATE))
    told = [
        sgward("audit", "--from-file", str(dump), "--region", "eu-central-1", "--format", "ocsf", status=3),
        sgward("replay", "--format", "ocsf", str(ROOT / "events"), status=3),
        sgward("check", "--format", "ocsf", str(planned), status=3),
    ]
    return [json.loads(line) for each in told for line in each.stdout.splitlines()]


def unknown(value: object, model: type[BaseModel], place: str = "") -> list[str]:
    """The members that the model does not have. "unmapped" may have any."""
    out = []
    for name, inner in (value if isinstance(value, dict) else {}).items():
        field = model.model_fields.get(name)
        if field is None:
            out.append(f"{place}.{name}")
            continue
        for kind in kinds(field.annotation):
            for item in inner if isinstance(inner, list) else [inner]:
                out += unknown(item, kind, f"{place}.{name}")
    return out


def kinds(annotation: object) -> list[type[BaseModel]]:
    """The models in an annotation such as Optional[list[ResourceDetails]]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for inner in typing.get_args(annotation) for kind in kinds(inner)]


def test_every_line_is_a_compliance_finding(lines):
    assert len(lines) > 20
    for line in lines:
        ComplianceFinding.model_validate(line)
        # The model has no cloud profile and calls no name of a status in compliance; the framework has both.
        known = {key: value for key, value in line.items() if key not in ("cloud", "unmapped")}
        known["compliance"] = {key: value for key, value in line["compliance"].items() if key != "status"}
        assert unknown(known, ComplianceFinding) == []


def test_the_models_refuse_another_kind(lines):
    for spoilt in ({"severity_id": 7}, {"finding_info": {"title": "no uid"}}, {"time": "today"}, {"type_uid": 200401}, {"compliance": None}):
        with pytest.raises(ValidationError):
            ComplianceFinding.model_validate(lines[0] | spoilt)
    assert unknown({"finding_info": {"uids": 1}, "times": 1}, ComplianceFinding) == [".finding_info.uids", ".times"]
