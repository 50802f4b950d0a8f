"""What an organisation gives its stacks, and what the tests of several files know of it."""

import hashlib
import json
import re

from cloud import ACCOUNT
from stack import ROOT

OTHER_REGION = "eu-west-1"
BOUNDARY = "limits/sgward"
BOUNDARY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/{BOUNDARY}"
LAYER_POLICY = """\
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: web-too, severity: high, effect: revoke, ingress: {from: world, ports: [443/tcp]}}
"""
LAYER_DIGEST = "sha256:" + hashlib.sha256(LAYER_POLICY.encode()).hexdigest()


def boundary_without(*actions: str) -> str:
    """The boundary of docs/PARAMETERS.md, less some actions."""
    text = re.search(r"```json\n(.*?)```", (ROOT / "docs" / "PARAMETERS.md").read_text(), re.DOTALL)[1]
    policy = json.loads(text)
    policy["Statement"][0]["Action"] = [each for each in policy["Statement"][0]["Action"] if each not in actions]
    return json.dumps(policy)


def parameters_of(outputs: dict) -> dict[str, str]:
    return dict(each.split("=", 1) for each in outputs["Parameters"].split())
