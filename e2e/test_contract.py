"""What sgward relies on in EC2, by the same Go test that holds the stand-in to it (localaws/ec2api)."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_moto_keeps_the_contract_but_for_its_known_gaps(cloud):
    run = subprocess.run(
        [os.environ.get("GO", "go"), "test", "-count=1", "-v", "-run", "^TestEC2KeepsTheContract$", "./localaws/ec2api"],
        cwd=ROOT, env=os.environ | {"SGWARD_CONTRACT_EC2": cloud.ec2_endpoint, "CGO_ENABLED": "0"},
        capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
    assert run.stdout.count("--- PASS: TestEC2KeepsTheContract/") > 10, "the clauses ran"


@pytest.mark.parametrize(("package", "left"), [("./internal/table", []), ("./internal/repeats", ["repeat/"])])
def test_motos_dynamodb_keeps_what_the_memory_and_the_count_of_closings_rely_on(cloud, package, left):
    """The stand-in for the table (localaws/dynamodbapi) is held to it by the same tests."""
    dynamodb = cloud.client("dynamodb", endpoint=cloud.ec2_endpoint)
    dynamodb.create_table(
        TableName="memory", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    try:
        run = subprocess.run(
            [os.environ.get("GO", "go"), "test", "-count=1", "-v", "-run", "^TestDynamoDBKeepsTheContract$", package],
            cwd=ROOT, env=os.environ | {"SGWARD_CONTRACT_DYNAMODB": cloud.ec2_endpoint, "CGO_ENABLED": "0"},
            capture_output=True, text=True, timeout=300, check=False)
        assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
        assert "--- PASS: TestDynamoDBKeepsTheContract" in run.stdout
        assert [item["id"]["S"][:7] for item in dynamodb.scan(TableName="memory")["Items"]] == left
    finally:
        dynamodb.delete_table(TableName="memory")
