"""The query of `sgward replay --athena`, in an engine: its result has the findings of the log files themselves.

No emulator runs Athena's SQL with CloudTrail's table. athena/engine.py translates the query for DuckDB and runs it over log
files that are made here from ../events.
"""

import copy
import gzip
import http.server
import json
import os
import random
import re
import subprocess
import threading
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from stack import ROOT

ENGINE = [os.environ.get("ATHENA_PYTHON", ROOT / "build/athena-venv/bin/python"), ROOT / "e2e/athena/engine.py"]
TABLE = "security.cloudtrail"
ACCOUNTS = ("123456789012", "210987654321", "345678901234")
REGIONS = ("us-east-1", "eu-central-1")
START = datetime(2026, 11, 3, 9, 0, 0, tzinfo=timezone.utc)
GROUP, RULE = re.compile(r"sg-[0-9a-f]{17}"), re.compile(r"sgr-[0-9a-f]{17}")


class History:
    """Calls on many groups, of several accounts and regions, with others between them."""

    def __init__(self, seed: int, groups: int):
        self.random = random.Random(seed)
        self.now = START
        self.files: dict[tuple, list[dict]] = {}
        self.events = {path.stem: json.loads(path.read_text())["detail"] for path in sorted(ROOT.glob("events/*.json")) + sorted(ROOT.glob("events/unmatched/*.json"))}
        self.openings = [event for event in self.events.values() if event["eventName"].startswith("Authorize") and "errorCode" not in event]
        for _ in range(groups):
            self.story()

    def story(self) -> None:
        """What one group goes through."""
        group, place = f"sg-{self.random.getrandbits(68):017x}", (self.random.choice(ACCOUNTS), self.random.choice(REGIONS))
        salt = self.random.getrandbits(32)

        def call(event: dict) -> None:
            text = GROUP.sub(group, json.dumps(event))
            text = RULE.sub(lambda found: f"sgr-{random.Random(f'{salt}{found[0]}').getrandbits(68):017x}", text)
            self.add(json.loads(text.replace("123456789012", place[0]).replace("us-east-1", place[1])), place)

        if self.random.random() < 0.3:
            call(self.events["create-security-group"])
        for _ in range(self.random.randint(1, 3)):
            opening = self.random.choice(self.openings)
            call(opening)
            call(self.events[self.random.choice(("describe-security-groups", "update-rule-description", "denied-ingress-mysql-world",
                                                "dry-run-ingress-mysql-world", "duplicate-ingress-mysql-world"))])
            call(self.elsewhere())
            made = ((opening["responseElements"] or {}).get("securityGroupRuleSet") or {}).get("items", [])
            match self.random.randrange(5):
                case 0 if made:
                    edit = copy.deepcopy(self.events[self.random.choice(("modify-one-rule-mysql-world", "modify-one-rule-private"))])
                    edit["requestParameters"]["ModifySecurityGroupRulesRequest"]["SecurityGroupRule"]["SecurityGroupRuleId"] = made[0]["securityGroupRuleId"]
                    call(edit)
                case 1 | 2 if made:
                    call(self.revoked(opening, made))
                case 3 if self.random.random() < 0.3:
                    call(self.deleted())
        if self.random.random() < 0.2:
            call(self.events["modify-several-rules-one-world"])

    def revoked(self, opening: dict, made: list[dict]) -> dict:
        event = copy.deepcopy(self.events["revoke-ingress-mysql-world"])
        event["eventName"] = opening["eventName"].replace("Authorize", "Revoke")
        event["responseElements"]["revokedSecurityGroupRuleSet"]["items"] = made
        if self.random.random() < 0.5:
            event["requestParameters"] = {"groupId": made[0]["groupId"], "ipPermissions": {}, "securityGroupRuleIds": {
                "items": [{"securityGroupRuleId": rule["securityGroupRuleId"]} for rule in made]}}
        else:
            event["requestParameters"] = opening["requestParameters"]
        return event

    def deleted(self) -> dict:
        return self.events["revoke-ingress-mysql-world"] | {
            "eventName": "DeleteSecurityGroup", "requestParameters": {"groupId": "sg-0123456789abcdef0"},
            "responseElements": {"requestId": str(uuid.UUID(int=self.random.getrandbits(128))), "_return": True}}

    def elsewhere(self) -> dict:
        """A call to another service, once with the name of one of EC2's."""
        name = self.random.choice(("PutObject", "AssumeRole", "AuthorizeSecurityGroupIngress"))
        return self.events["describe-security-groups"] | {
            "eventSource": "s3.amazonaws.com", "eventName": name, "requestParameters": {"bucketName": "a, \"b\"\nc"}, "responseElements": None}

    def add(self, record: dict, place: tuple) -> None:
        self.now += timedelta(seconds=self.random.randint(1, 1800))
        record |= {"eventID": str(uuid.UUID(int=self.random.getrandbits(128))), "eventTime": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        if self.random.random() < 0.2:
            record["userAgent"] = 'a "tool", of\ntwo lines'
        self.files.setdefault((*place, self.now.date()), []).append(record)

    def write(self, folder: Path) -> Path:
        for (account, region, day), records in self.files.items():
            where = folder / "AWSLogs/o-exampleorg1" / account / "CloudTrail" / region / day.strftime("%Y/%m/%d")
            where.mkdir(parents=True, exist_ok=True)
            name = f"{account}_CloudTrail_{region}_{day:%Y%m%d}T2355Z_0123456789abcdef.json.gz"
            (where / name).write_bytes(gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode(), mtime=0))
        return folder


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    made = History(1, 220)
    made.folder = made.write(tmp_path_factory.mktemp("history"))
    return made


@pytest.fixture(scope="module")
def replay(program):
    """Runs `sgward replay` and returns its standard output."""

    def run(*words, status: int = 3, errors: str = "") -> str:
        environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
        done = subprocess.run([program, "replay", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == status, done.stdout[-2000:] + done.stderr
        assert errors in done.stderr
        return done.stdout

    return run


def answer(query: str, folder: Path, form: str = "csv") -> str:
    return subprocess.run([*ENGINE, folder, form], input=query, capture_output=True, text=True, timeout=120, check=True).stdout


def findings(lines: str) -> list[dict]:
    """Without where the records were read."""
    return [{key: value for key, value in json.loads(line).items() if key not in ("file", "record", "line", "place")} for line in lines.splitlines()]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_result_of_the_query_has_the_findings_of_the_log_files(history, replay, tmp_path, form):
    records = sum(history.files.values(), [])
    assert len(records) > 1000
    assert {record["eventName"] for record in records} > {"ModifySecurityGroupRules", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress",
                                                          "DeleteSecurityGroup", "CreateSecurityGroup", "PutObject"}
    direct = findings(replay("--format", "json", "--quiet", history.folder))
    assert len(direct) > 150
    assert {each["decision"] for each in direct} > {"revoke", "inspect"}
    assert sum("closedAt" in each for each in direct) > 30
    result = tmp_path / f"result.{form}"
    result.write_text(answer(replay("--athena", TABLE, status=0), history.folder, form))
    assert 300 < result.read_text().count("SecurityGroup") and "PutObject" not in result.read_text()
    assert findings(replay("--format", "json", "--quiet", result)) == direct


def test_chosen_partitions_have_the_findings_of_the_chosen_files(history, replay, tmp_path):
    days = sorted({day for _, _, day in history.files})
    since, until = str(days[len(days) // 3]), str(days[2 * len(days) // 3])
    chosen = ("--accounts", ",".join(ACCOUNTS[:2]), "--regions", REGIONS[0], "--since", since, "--until", until)
    # What a bucket would have been read for: whole days, and one more at the end.
    first = datetime.fromisoformat(since).date() - timedelta(days=1)
    last = datetime.fromisoformat(until).date() + timedelta(days=2)
    part = History.__new__(History)
    part.files = {key: records for key, records in history.files.items() if key[0] in ACCOUNTS[:2] and key[1] == REGIONS[0] and first <= key[2] <= last}
    assert 0 < len(part.files) < len(history.files) / 2
    direct = findings(replay("--format", "json", "--quiet", *chosen, part.write(tmp_path / "part")))
    assert direct
    by_partition = replay("--athena", TABLE, *chosen, status=0)
    assert '"account" IN' in by_partition
    for query in (by_partition, replay("--athena", TABLE, "--partitions", "none", *chosen, status=0)):
        result = tmp_path / "result.csv"
        result.write_text(answer(query, history.folder))
        assert findings(replay("--format", "json", "--quiet", *chosen, result)) == direct


def test_a_result_that_is_cut_is_an_error_with_its_line(history, replay, tmp_path):
    result = tmp_path / "result.csv"
    whole = answer(replay("--athena", TABLE, status=0), history.folder)
    lines = whole[:len(whole) // 2].split("\n")
    result.write_text("\n".join(lines))
    row = max(line for line, text in enumerate(lines, start=1) if text.startswith('"1.'))  # the version is the first column
    said = replay("--format", "json", result, status=1, errors=f"{result} line {row}: ")
    assert len(findings(said)) > 50, "what is before the cut is judged"


class Athena(http.server.BaseHTTPRequestHandler):
    """Athena and the bucket of its results."""

    folder: Path
    objects: dict[str, bytes] = {}

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.headers["X-Amz-Target"].removeprefix("AmazonAthena."):
            case "StartQueryExecution":
                self.objects["runs/q-1.csv"] = answer(asked["QueryString"], self.folder).encode()
                assert asked["ResultConfiguration"] == {"OutputLocation": "s3://results/runs/"}
                self.say(json.dumps({"QueryExecutionId": "q-1"}).encode())
            case "GetQueryExecution":
                self.say(json.dumps({"QueryExecution": {
                    "Status": {"State": "SUCCEEDED"}, "Statistics": {"DataScannedInBytes": 4_000_000_000, "TotalExecutionTimeInMillis": 1500},
                    "ResultConfiguration": {"OutputLocation": "s3://results/runs/q-1.csv"}}}).encode())

    def do_GET(self):
        bucket, _, key = self.path.partition("?")[0].lstrip("/").partition("/")
        assert bucket == "results"
        if key:
            return self.say(self.objects[key])
        listed = "".join(f"<Contents><Key>{escape(name)}</Key><Size>{len(data)}</Size></Contents>" for name, data in self.objects.items())
        return self.say(f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>".encode())

    def say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_query_is_run_and_its_result_judged(history, replay):
    Athena.folder = history.folder
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Athena)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        got = replay("--format", "json", "--athena", TABLE, "--run", "--output", "s3://results/runs/", "--endpoint-url", f"http://127.0.0.1:{server.server_port}",
                     errors="Athena scanned 4.0 GB in 1.5 s: 0.02 USD at 5 USD per TB, the list price; the result is s3://results/runs/q-1.csv")
    finally:
        server.shutdown()
    assert findings(got) == findings(replay("--format", "json", "--quiet", history.folder))
