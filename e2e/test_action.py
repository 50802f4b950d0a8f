"""The GitHub Action, run by act, a runner that others wrote, and the hooks, run by pre-commit."""

import hashlib
import http.server
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import threading
from functools import partial
from pathlib import Path

import pytest
import yaml

from stack import ROOT

ACT = ROOT / "build/precommit-venv/bin/act"
PRE_COMMIT = ROOT / "build/precommit-venv/bin/pre-commit"
VERSION = "v0.0.1"
ARCHIVE = f"sgward-{VERSION}-linux-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}[platform.machine()]}"
# A bare environment, but for what Go needs to find its modules and caches.
BARE = {name: os.environ[name] for name in ("PATH", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOFLAGS", "GOTOOLCHAIN", "CGO_ENABLED", "SSL_CERT_FILE") if name in os.environ}

OPEN = """Resources:
  Database:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: orders
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 3306, ToPort: 3306, CidrIp: 0.0.0.0/0}
"""
CLOSED = OPEN.replace("0.0.0.0/0", "10.0.0.0/8")


@pytest.fixture(scope="module")
def releases(program, tmp_path_factory):
    """A folder of releases and its address."""
    folder = tmp_path_factory.mktemp("releases") / VERSION
    folder.mkdir()
    with tarfile.open(folder / f"{ARCHIVE}.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(program, f"{ARCHIVE}/sgward")
    digest = hashlib.sha256((folder / f"{ARCHIVE}.tar.gz").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  something-else.zip\n{digest}  {ARCHIVE}.tar.gz\n")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class Workflow:
    """A repository with a workflow that uses the action."""

    def __init__(self, folder: Path, action: str = "action.yml action"):
        self.folder, self.home = folder / "a repository", folder / "home"
        (self.folder / ".github/workflows").mkdir(parents=True)
        self.home.mkdir()
        for name in action.split():
            source, target = ROOT / name, self.folder / "sgward" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        shutil.copy(ROOT / "policy.yaml", self.folder)

    def write(self, **files):
        for name, content in files.items():
            file = self.folder / name.replace("__", "/").replace("_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

    def run(self, **inputs) -> subprocess.CompletedProcess:
        step = {"id": "sgward", "uses": "./sgward", "with": inputs}
        after = {"if": "always()", "run": """
cp "${{ steps.sgward.outputs.sarif }}" "$HOME/check.sarif" || true
cp "${{ steps.sgward.outputs.json }}" "$HOME/check.json" || true
echo "status=${{ steps.sgward.outputs.exit-status }}"
"""}
        job = {"runs-on": "ubuntu-latest", "steps": [{"uses": "actions/checkout@v4"}, step, after]}
        (self.folder / ".github/workflows/check.yml").write_text(json.dumps({"on": "push", "jobs": {"check": job}}))
        commit(self.folder)
        return subprocess.run([ACT, "push", "--pull=false", "-P", "ubuntu-latest=-self-hosted"], cwd=self.folder,
                              env=BARE | {"HOME": str(self.home)}, capture_output=True, text=True, timeout=300, check=False)


def commit(folder: Path):
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run([*git, "init", "-q"], cwd=folder, check=True)
    subprocess.run([*git, "add", "-A"], cwd=folder, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "change"], cwd=folder, check=True)


@pytest.fixture
def workflow(tmp_path):
    return Workflow(tmp_path)


def test_an_opening_in_a_template_fails_the_step_at_its_line_with_a_summary_and_reports(workflow, releases):
    workflow.write(infra__db_yaml=OPEN, infra__web_yaml=CLOSED)
    done = workflow.run(paths="infra/db.yaml\ninfra/web.yaml\n", version=VERSION, releases=releases[1])

    assert done.returncode != 0, done.stdout
    assert "::error file=infra/db.yaml,line=7,title=world-open-database%3A MySQL (3306) from the whole internet::" in done.stdout
    assert "| forbidden critical | MySQL (3306) from the whole internet |" in done.stdout, "the summary"
    assert "status=3" in done.stdout
    sarif = json.loads((workflow.home / "check.sarif").read_text())
    (result,) = sarif["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("infra/db.yaml", 7)
    (finding,) = map(json.loads, (workflow.home / "check.json").read_text().splitlines())
    assert finding["decision"] == "revoke"


def test_a_change_that_opens_nothing_passes(workflow, releases):
    workflow.write(db_yaml=CLOSED)
    done = workflow.run(paths="db.yaml", version=VERSION, releases=releases[1])

    assert done.returncode == 0, done.stdout
    assert "::error" not in done.stdout
    assert "No findings" in done.stdout


def test_findings_below_the_threshold_are_shown_and_fail_nothing(workflow, releases):
    workflow.write(db_yaml=OPEN)
    done = workflow.run(paths="db.yaml", version=VERSION, releases=releases[1], **{"fail-on": "never"})

    assert done.returncode == 0, done.stdout
    assert "::error file=db.yaml,line=7" in done.stdout


def test_parameters_of_a_template_are_given_line_by_line(workflow, releases):
    parameter = "Parameters:\n  Office: {Type: String}\n  Port: {Type: Number}\n"
    text = OPEN.replace("0.0.0.0/0", "!Ref Office").replace("3306", "!Ref Port")
    workflow.write(db_yaml=parameter + text)
    given = {"parameter-overrides": "Office=198.51.100.0/32\nPort=3306\n"}
    done = workflow.run(paths="db.yaml", version=VERSION, releases=releases[1], **given)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind, inputs, said", [
    ("no policy", {"policy": "other.yaml"}, "::error title=sgward check::other.yaml does not exist"),
    ("an unsound policy", {"policy": "bad.yaml"}, "::error title=sgward check::bad.yaml:1"),
    ("no file", {"paths": "gone.yaml"}, "::error title=sgward check::nothing was judged: gone.yaml cannot be opened"),
    ("a file that cannot be read", {"paths": "db.yaml\ncut.json"}, "::error title=not read::cut.json"),
    ("no path", {"paths": "\n"}, "::error title=sgward check::the input paths names no plan, template or folder"),
    ("a threshold that is none", {"fail-on": "some"}, "::error title=sgward check::--fail-on"),
    ("a release that does not exist", {"version": "v9.9.9"}, "::error title=sgward was not installed::"),
    ("a version that is none", {"version": "../../x"}, "::error title=sgward was not installed::the input version is"),
])
def test_bad_input_fails_the_step_with_a_line_that_says_why(workflow, releases, kind, inputs, said):
    workflow.write(db_yaml=CLOSED, cut_json='{"format_version": "1.2", "resource_changes": [', bad_yaml="versio: 1\n")
    done = workflow.run(**({"paths": "db.yaml", "version": VERSION, "releases": releases[1]} | inputs))

    assert done.returncode != 0, kind
    assert said in done.stdout, kind


def test_a_release_with_another_checksum_is_not_run(workflow, releases):
    folder, address = releases
    (folder.parent / "v0.0.2").mkdir()
    name = ARCHIVE.replace(VERSION, "v0.0.2")
    (folder.parent / "v0.0.2" / f"{name}.tar.gz").write_bytes(b"something else")
    (folder.parent / "v0.0.2" / "SHA256SUMS").write_text(f"{'0' * 64}  {name}.tar.gz\n")
    workflow.write(db_yaml=CLOSED)
    done = workflow.run(paths="db.yaml", version="v0.0.2", releases=address)

    assert done.returncode != 0
    assert "is not the file that SHA256SUMS of v0.0.2 names" in done.stdout


def test_no_name_in_a_change_becomes_a_command_of_the_runner(workflow, releases):
    evil = workflow.folder / "x\n::warning::owned\n##[error]owned.template.yaml"
    evil.write_text(OPEN)
    done = workflow.run(paths=".", version=VERSION, releases=releases[1])

    assert done.returncode != 0
    assert "::error file=" in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.strip().endswith("::warning::owned")]


def test_without_a_release_the_action_builds_its_own_source(tmp_path):
    tracked = subprocess.run(["git", "ls-files", "go.mod", "go.sum", "action.yml", "action", "cmd/sgward", "internal", "localaws", "functions", "*.go", "*.yaml"],
                             cwd=ROOT, capture_output=True, text=True, check=True).stdout
    workflow = Workflow(tmp_path, action="action.yml")
    for name in filter(None, tracked.splitlines()):
        target = workflow.folder / "sgward" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    workflow.write(db_yaml=OPEN)
    for name in ("GOMODCACHE", "GOCACHE"):
        BARE[name] = subprocess.run(["go", "env", name], capture_output=True, text=True, check=True).stdout.strip()
    done = workflow.run(paths="db.yaml")

    assert "::error file=db.yaml,line=7" in done.stdout, done.stdout[-2000:]


def test_the_recipe_for_gitlab_writes_its_code_quality_report(program, tmp_path):
    page = (ROOT / "docs/PULL-REQUESTS.md").read_text()
    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "codequality" in b]
    script = yaml.safe_load(block)["security groups"]["script"]
    shutil.copy(ROOT / "policy.yaml", tmp_path)
    (tmp_path / "cdk.out").mkdir()
    (tmp_path / "cdk.out/db.template.yaml").write_text(OPEN)
    done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env=BARE | {"PATH": f"{program.parent}:{os.environ['PATH']}"})

    assert done.returncode == 3, done.stderr
    (issue,) = json.loads((tmp_path / "codequality.json").read_text())
    assert (issue["check_name"], issue["severity"]) == ("world-open-database", "blocker")
    assert issue["location"] == {"path": "cdk.out/db.template.yaml", "lines": {"begin": 7}}


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    """Where pre-commit keeps what it has built."""
    return tmp_path_factory.mktemp("pre-commit")


@pytest.mark.parametrize("hook, files, status, said", [
    ("sgward-policy-lint", {"policy.yaml": "versio: 1\n"}, 1, "policy.yaml:1"),
    ("sgward-policy-lint", {"policy.yaml": None}, 0, "Passed"),
    ("sgward-policy-test", {"policy.yaml": None, "policy_test.yaml": """tests:
  - {name: a database open to the world, rule: {port: 3306, cidr: 0.0.0.0/0}, decision: alert}
"""}, 1, "a database open to the world"),
    ("sgward-check", {"policy.yaml": None, "db.template.yaml": OPEN}, 1, "MySQL (3306) from the whole internet"),
    ("sgward-check", {"policy.yaml": None, "db.template.yaml": CLOSED}, 0, "Passed"),
    ("sgward-check", {"policy.yaml": None, "other.yaml": OPEN}, 0, "no files to check"),
])
def test_a_hook_judges_the_files_of_its_kind(hooks, tmp_path, hook, files, status, said):
    for name, content in files.items():
        shutil.copy(ROOT / name, tmp_path) if content is None else (tmp_path / name).write_text(content)
    commit(tmp_path)
    repository = checkout_as_repository(hooks)
    (tmp_path / ".pre-commit-config.yaml").write_text(json.dumps({"repos": [{"repo": str(repository), "rev": head(repository), "hooks": [{"id": hook}]}]}))
    env = {name: os.environ[name] for name in os.environ if name not in ("GOFLAGS",)} | {
        "PRE_COMMIT_HOME": str(hooks / "home"), "GOFLAGS": "-trimpath -buildvcs=false -modcacherw -tags=lambda.norpc,nethttpomithttp2", "CGO_ENABLED": "0",
        "GOMODCACHE": subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()}
    done = subprocess.run([PRE_COMMIT, "run", "--all-files"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout


def checkout_as_repository(hooks: Path) -> Path:
    """The checkout, with what is not committed yet, as a repository of its own."""
    clone = hooks / "sgward"
    if not clone.exists():
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, tracked.split("\0")):
            if (ROOT / name).is_file():
                (clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, clone / name)
        commit(clone)
    return clone


def head(repository: Path) -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True).stdout.strip()
