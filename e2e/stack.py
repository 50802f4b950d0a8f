"""template.yaml, built by its Makefile and deployed by the SAM CLI."""

import json
import platform
import subprocess
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

from cloud import REGION, Cloud, wait_until

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"
CODE_BUCKET = "code"

# The template says arm64; these functions run on this machine.
GOARCH = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine().lower()]


def sam(*arguments: str, environment: dict[str, str]) -> None:
    command = [str(Path(sys.executable).parent / "sam"), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"sam {arguments[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")


def create(client, name: str, parameters: dict[str, str], timeout: float, **template: str) -> dict[str, str]:
    """Makes a stack with CloudFormation alone, and returns its outputs."""
    client.create_stack(StackName=name, Capabilities=["CAPABILITY_IAM"], **template, Parameters=[
        {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()])

    def made():
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        assert "FAILED" not in stack["StackStatus"] and "ROLLBACK" not in stack["StackStatus"], stack
        return stack if stack["StackStatus"] == "CREATE_COMPLETE" else None

    stack = wait_until(f"stack {name} in {client.meta.region_name}", made, timeout=timeout)
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


class Build:
    """What `sam build` makes of template.yaml."""

    def __init__(self, cloud: Cloud, folder: Path):
        self.cloud = cloud
        self.folder = folder / "sam"
        # Not the samconfig.toml of the repository, whose deploy section is for AWS.
        self.config = folder / "samconfig.toml"
        self.config.write_text("version = 0.1\n")
        self.environment = cloud.environment() | {
            "LAMBDA_GOARCH": GOARCH,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "1",
        }
        sam("build", "--build-in-source", "--template", str(TEMPLATE), "--build-dir", str(self.folder),
            "--config-file", str(self.config), environment=self.environment)
        cloud.client("s3").create_bucket(Bucket=CODE_BUCKET)

    def bootstrap(self, logical_id: str) -> Path:
        return self.folder / logical_id / "bootstrap"

    def deploy(self, name: str, region: str = REGION, without: str = "", **parameters: str) -> "Stack":
        """without is a resource that the emulator does not know."""
        template = self.folder / "template.yaml"
        if without:
            document = yaml_parse(template.read_text())
            del document["Resources"][without]
            template = self.folder / f"without-{without}.yaml"
            template.write_text(yaml_dump(document))
        bucket = CODE_BUCKET
        if region != REGION:  # Lambda takes code from a bucket of its own region only
            bucket = f"{CODE_BUCKET}-{region}"
            self.cloud.in_region(region).client("s3").create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
        sam("deploy", "--template", str(template), "--stack-name", name,
            "--s3-bucket", bucket, "--capabilities", "CAPABILITY_IAM",
            "--no-confirm-changeset", "--no-fail-on-empty-changeset",
            "--parameter-overrides", *[f'{key}="{value}"' for key, value in parameters.items()],
            "--region", region, "--config-file", str(self.config), environment=self.environment)
        return Stack(self.cloud.in_region(region), name)


class Stack:
    """One deployed stack: its resources by logical id."""

    def __init__(self, cloud: Cloud, name: str):
        self.cloud = cloud
        self.name = name
        resources = cloud.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        self.ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}

    def event_pattern(self, rule: str) -> str:
        return self.cloud.client("events").describe_rule(Name=self.ids[rule])["EventPattern"]

    def mapping(self, function: str) -> dict:
        """The one event source mapping that leads to a function."""
        mappings = self.cloud.client("lambda").list_event_source_mappings(FunctionName=self.ids[function])
        (mapping,) = mappings["EventSourceMappings"]
        return mapping

    def queue_arn(self, logical_id: str) -> str:
        return self.queue_attribute(logical_id, "QueueArn")

    def queue_attribute(self, logical_id: str, name: str) -> str:
        answer = self.cloud.client("sqs").get_queue_attributes(QueueUrl=self.ids[logical_id], AttributeNames=[name])
        return answer["Attributes"][name]

    def messages_in(self, logical_id: str) -> int:
        """Messages in a queue, those in someone's hands included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.cloud.client("sqs").get_queue_attributes(QueueUrl=self.ids[logical_id], AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def role_arn(self, logical_id: str) -> str:
        return self.cloud.client("iam").get_role(RoleName=self.ids[logical_id])["Role"]["Arn"]

    def credentials_of(self, logical_id: str) -> dict:
        """The keys that Lambda would hand to a function of this role: its trust is widened for one AssumeRole."""
        iam = self.cloud.client("iam")
        name = self.ids[logical_id]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        widened = trust | {"Statement": trust["Statement"] + [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        ]}
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(widened))
        try:
            answer = self.cloud.client("sts").assume_role(RoleArn=self.role_arn(logical_id), RoleSessionName="e2e")
        finally:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        return answer["Credentials"]

    def log_messages(self, logical_id: str) -> list[str]:
        """The lines that a function has logged so far, oldest first."""
        events = self.cloud.client("logs").filter_log_events(logGroupName=self.ids[logical_id])["events"]
        return [event["message"] for event in events]
