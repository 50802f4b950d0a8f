"""The function of the hook, deployed with the parameter Prevention. ministack has no AWS::CloudFormation::LambdaHook: the driver leaves
that resource out and invokes the function as the hook does, with the role of the hook."""

import json

import pytest
from botocore.exceptions import ClientError

from stack import ROOT

REQUESTS = ROOT / "functions" / "hook" / "testdata"
DENIED = {"AccessDenied", "AccessDeniedException"}


@pytest.fixture(scope="module")
def stack(build):
    return build.deploy("preventing", without="PreventionHook", Prevention="refuse")


@pytest.fixture(scope="module")
def hook(stack):
    """Asks the function as CloudFormation does, and returns its answer."""
    client = stack.cloud.client("lambda", stack.credentials_of("HookInvokerRole"))

    def ask(name: str) -> dict:
        answer = client.invoke(FunctionName=stack.ids["HookFunction"], Payload=(REQUESTS / name).read_bytes())
        assert "FunctionError" not in answer, answer["Payload"].read()
        return json.loads(answer["Payload"].read())

    return ask


@pytest.mark.parametrize(("request_", "status", "said"), [
    ("create-group-mysql-world.json", "FAILED", "sgward refuses AWS::EC2::SecurityGroup Web: the policy forbids 1 rule. policy.yaml:"),
    ("cloud-control-create-ingress-mysql-world.json", "FAILED", "sgward refuses AWS::EC2::SecurityGroupIngress a1b2c3d4e5f6"),
    ("update-group-mysql-world.json", "FAILED", "the policy forbids 1 rule"),
    ("create-group-https-world.json", "SUCCESS", "the policy has nothing against it"),
    ("update-group-tags.json", "SUCCESS", "the policy has nothing against it"),
    ("create-ingress-prefix-list.json", "SUCCESS", "can be told only once it is made"),
    ("delete-group.json", "SUCCESS", "a deletion opens nothing")])
def test_the_deployed_function_answers_by_the_policy_of_the_repository(hook, request_, status, said):
    answer = hook(request_)

    assert answer["hookStatus"] == status
    assert said in answer["message"]
    assert answer["clientRequestToken"] == json.loads((REQUESTS / request_).read_text())["clientRequestToken"]
    assert answer.get("errorCode") == ("NonCompliant" if status == "FAILED" else None)


def test_the_role_of_the_hook_may_invoke_its_function_and_no_other(stack):
    client = stack.cloud.client("lambda", stack.credentials_of("HookInvokerRole"))

    with pytest.raises(ClientError) as refused:
        client.invoke(FunctionName=stack.ids["RemediateFunction"], Payload=b"{}")

    assert refused.value.response["Error"]["Code"] in DENIED


@pytest.mark.parametrize("role", ["HookRole", "HookInvokerRole"])
@pytest.mark.parametrize("action", [
    "ec2:RevokeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupIngress", "ec2:DescribeSecurityGroups", "sqs:SendMessage", "sns:Publish",
    "iam:PassRole", "cloudformation:SetTypeConfiguration"])
def test_the_roles_may_do_nothing_else(stack, role, action):
    (result,) = stack.cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=stack.role_arn(role), ActionNames=[action], ResourceArns=["*"])["EvaluationResults"]

    assert result["EvalDecision"] == "implicitDeny"
