"""sgward audit and sgward doctor of a whole organisation, and sgward replay of its trail's bucket, on an AWS that others wrote (moto)."""

import gzip
import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from cloud import ACCOUNT, REGION

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = "eu-central-1"
BUCKET = "organisation-trail"
ORGANISATION = "o-a1b2c3d4e5"
MEMBERS = ("111122223333", "444455556666")
DAYS = 12
FIRST = datetime(2026, 10, 1, 9, 30, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def client(endpoint):
    def of(service: str, region: str = REGION, keys: dict | None = None):
        keys = keys or {"AccessKeyId": "test", "SecretAccessKey": "test"}
        return boto3.client(service, region_name=region, endpoint_url=endpoint, aws_access_key_id=keys["AccessKeyId"],
                            aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys.get("SessionToken"))

    return of


@pytest.fixture(scope="module")
def sgward(endpoint, tmp_path_factory):
    program = tmp_path_factory.mktemp("bin") / "sgward"
    subprocess.run([os.environ.get("GO", "go"), "build", "-o", program, "./cmd/sgward"], cwd=ROOT, check=True,
                   env=os.environ | {"CGO_ENABLED": "0"}, timeout=600)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = clean | {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }

    def run(*words: str, status: int, **keys: str) -> subprocess.CompletedProcess:
        done = subprocess.run([program, *words], cwd=ROOT, env=environment | keys, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


def found(done: subprocess.CompletedProcess, *keys: str) -> list[tuple]:
    return sorted(tuple(json.loads(line).get(key) for key in keys) for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def members(client):
    """The ids of an organisation's accounts by name, without its management account. One is closed."""
    organizations = client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    ids = {}
    for name in ("payments", "Data Lake", "closed"):
        made = organizations.create_account(AccountName=name, Email=f"{name.replace(' ', '-')}@example.com")
        ids[name] = made["CreateAccountStatus"]["AccountId"]
    organizations.close_account(AccountId=ids["closed"])
    return ids


@pytest.fixture(scope="module")
def keys_of(client, members):
    """The credentials of a role in an account; None for one's own."""

    def keys(name: str | None) -> dict | None:
        if not name:
            return None
        role = f"arn:aws:iam::{members[name]}:role/security/audit"
        return client("sts").assume_role(RoleArn=role, RoleSessionName="e2e")["Credentials"]

    return keys


def test_one_report_has_every_active_account(sgward, client, members, keys_of):
    opened = []
    for name, region, port in (("payments", REGION, 5432), ("Data Lake", ELSEWHERE, 3306), ("closed", REGION, 22), (None, REGION, 6379)):
        ec2 = client("ec2", region, keys_of(name))
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        group = ec2.create_security_group(GroupName="web", Description="e2e", VpcId=vpc)["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
        opened.append((members.get(name, ACCOUNT), name or "master", region, group))
    done = sgward("audit", "--organization", "security/audit", "--regions", f"{REGION},{ELSEWHERE}", "--format", "json", status=3)
    groups = {group for *_, group in opened}  # other tests have some in their account
    got = [finding for finding in found(done, "accountId", "accountName", "region", "groupId") if finding[3] in groups]
    assert got == sorted(o for o in opened if o[1] != "closed")


STACK = {
    "Resources": {"DeadLetterQueue": {"Type": "AWS::SQS::Queue"}, "OpeningsRule": {
        "Type": "AWS::Events::Rule", "Properties": {"State": "DISABLED", "EventPattern": {"source": ["aws.ec2"]}}}},
    "Outputs": {"DetectFunctionName": {"Value": "detect"}, "DeadLetterQueueUrl": {"Value": {"Ref": "DeadLetterQueue"}}, "Mode": {"Value": "observe"}},
}


def test_doctor_examines_the_stacks_of_all_accounts(sgward, client, members, keys_of):
    """The stacks are parts of sgward's: moto keeps accounts and regions apart, which is what counts here. It has no TestEventPattern, so
    that some lines are unknown."""
    for name, region, letters in (("payments", REGION, 2), ("Data Lake", ELSEWHERE, 0), ("closed", REGION, 0), (None, REGION, 0)):
        keys = keys_of(name)
        client("cloudformation", region, keys).create_stack(StackName="sgward", TemplateBody=json.dumps(STACK))
        sqs = client("sqs", region, keys)
        (queue,) = sqs.list_queues(QueueNamePrefix="sgward-")["QueueUrls"]
        for _ in range(letters):
            sqs.send_message(QueueUrl=queue, MessageBody="{}")
    words = ("doctor", "--organization", "security/audit", "--regions", f"{REGION},{ELSEWHERE}")
    done = sgward(*words, "--format", "json", status=1)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    places = {(line["accountName"], line["accountId"], line["region"]) for line in lines}
    names = {"master": ACCOUNT, "payments": members["payments"], "Data Lake": members["Data Lake"]}
    assert places == {(name, account, region) for name, account in names.items() for region in (REGION, ELSEWHERE)}

    def seen(check: str) -> dict:
        return {(line["accountName"], line["region"]): line["text"] for line in lines if line["check"] == check}

    none = "no stack named sgward"
    stacks = seen("stack")
    assert {place for place, text in stacks.items() if text == none} == {("master", ELSEWHERE), ("payments", ELSEWHERE), ("Data Lake", REGION)}
    assert all("observe mode" in text for text in stacks.values() if text != none)
    letters = seen("dead letters")
    assert letters.pop(("payments", REGION)).startswith("2 messages")
    assert letters == {("master", REGION): "none", ("Data Lake", ELSEWHERE): "none"}
    text = sgward(*words, status=1).stdout
    assert f"FAILURE  {members['Data Lake']} (Data Lake)  {REGION}       {none}: deploy it" in text
    assert "6 failures" in text.splitlines()[-1]


@pytest.fixture(scope="module")
def trail(client):
    """A trail's bucket: two accounts, two regions, some days, one opening a day in each; and what else lies there."""
    s3 = client("s3", ELSEWHERE)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": ELSEWHERE})
    event = json.loads((ROOT / "events" / "ingress-mysql-world.json").read_text())["detail"]
    for account in MEMBERS:
        for region in (REGION, ELSEWHERE):
            for day in range(DAYS):
                at = FIRST + timedelta(days=day)
                record = event | {"eventID": f"{account}-{region}-{day}", "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                                  "awsRegion": region, "recipientAccountId": account}
                stamp = (at + timedelta(minutes=5)).strftime("%Y%m%dT%H%MZ")
                s3.put_object(
                    Bucket=BUCKET, ContentEncoding="gzip", ContentType="application/json",
                    Key=f"AWSLogs/{ORGANISATION}/{account}/CloudTrail/{region}/{at:%Y/%m/%d}/{account}_CloudTrail_{region}_{stamp}_abcdefghijklmnop.json.gz",
                    Body=gzip.compress(json.dumps({"Records": [record]}).encode()))
        s3.put_object(Bucket=BUCKET, Key=f"AWSLogs/{ORGANISATION}/{account}/CloudTrail-Digest/{REGION}/2026/10/01/x.json.gz", Body=b"no gzip")
    return f"s3://{BUCKET}"


def test_bucket_of_an_organisations_trail_is_replayed(sgward, trail):
    done = sgward("replay", f"{trail}/AWSLogs/", "--format", "json", status=3)
    assert found(done, "accountId", "region", "decision") == sorted(
        (account, region, "revoke") for account in MEMBERS for region in (REGION, ELSEWHERE) for _ in range(DAYS))
    assert "problem" not in done.stderr


def test_accounts_regions_and_days_choose_the_keys(sgward, trail):
    done = sgward("replay", trail, "--accounts", MEMBERS[0], "--regions", ELSEWHERE, "--since", "2026-10-03", "--until", "2026-10-05", status=3)
    # The day after --until is read, as files may be late: the opening in it is not judged.
    assert "Read 4 files" in done.stdout
    assert "would have closed 3 openings" in done.stdout


def test_bucket_that_is_missing_is_named(sgward):
    done = sgward("replay", "s3://no-such-bucket-of-mine/AWSLogs/", status=1)
    assert "s3://no-such-bucket-of-mine/AWSLogs/ cannot be read: s3:ListBucket: NoSuchBucket" in done.stderr


ODD = "odd folder/a+b=c&d'(e)~é/"


def test_calls_are_signed_as_aws_signs_them_and_need_two_permissions(sgward, trail, client, endpoint):
    """moto can check signatures, by botocore's own signer, and the policies of the user."""
    record = gzip.compress(json.dumps({"Records": [json.loads((ROOT / "events" / "ingress-mysql-world.json").read_text())["detail"]]}).encode())
    client("s3", ELSEWHERE).put_object(Bucket=BUCKET, Key=ODD + "history.json.gz", Body=record)
    iam = client("iam")
    iam.create_user(UserName="auditor")
    iam.put_user_policy(UserName="auditor", PolicyName="replay", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}]}))
    made = iam.create_access_key(UserName="auditor")["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"], "AWS_REGION": ELSEWHERE}
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        done = sgward("replay", f"{trail}/AWSLogs/", "--accounts", MEMBERS[0], "--format", "json", status=3, **keys)
        assert len(done.stdout.splitlines()) == 2 * DAYS
        done = sgward("replay", f"{trail}/{ODD}", "--format", "json", status=3, **keys)
        assert len(done.stdout.splitlines()) == 1
        done = sgward("replay", f"{trail}/AWSLogs/", status=1, **keys | {"AWS_SECRET_ACCESS_KEY": "wrong"})
        assert "SignatureDoesNotMatch" in done.stderr
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data=b"inf", timeout=10)
