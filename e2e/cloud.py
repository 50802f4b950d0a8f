"""The emulators that stand in for AWS: moto for EC2 and Security Hub, ministack for all the rest.

Both run on ports that the kernel picks, over TLS where the template's policies ask for it, and keep their state in a
folder that the test run throws away.
"""

import contextlib
import copy
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response
from moto.server import ThreadedMotoServer

ACCOUNT = "123456789012"
REGION = "us-east-1"
STARTUP_SECONDS = 60
# In an environment of its own: it names another release of botocore than the SAM CLI does.
MINISTACK = Path(__file__).resolve().parent.parent / "build" / "ministack-venv" / "bin" / "python"


def answer_list_associations() -> None:
    """moto has no GetManagedPrefixListAssociations. It shares no lists either, so no other account uses one."""
    if not hasattr(EC2Response, "get_managed_prefix_list_associations"):
        EC2Response.get_managed_prefix_list_associations = lambda _: ActionResult({"PrefixListAssociations": []})


class Cloud:
    """ministack and moto, running. `client(service)` talks to whichever of the two serves it, as the account's root."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.region = REGION
        self.log = folder / "ministack.log"
        self.certificate = make_certificate(folder)
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else a line for every request
        answer_list_associations()
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        host, port = self._moto.get_host_and_port()
        self.ec2_endpoint = f"http://{host}:{port}"
        port = free_port()
        self.endpoint = f"https://127.0.0.1:{port}"
        self._process = self._start_ministack(port)

    def environment(self) -> dict[str, str]:
        """What an AWS client on this machine needs in order to reach the emulators instead of AWS."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return clean | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_EC2": self.ec2_endpoint,
            "AWS_ENDPOINT_URL_SECURITYHUB": self.ec2_endpoint,
            "AWS_CA_BUNDLE": str(self.certificate),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str, credentials: dict | None = None, endpoint: str | None = None):
        """A boto3 client, with the credentials of an STS answer if given."""
        keys = credentials or {"AccessKeyId": "test", "SecretAccessKey": "test"}
        return boto3.client(
            service,
            region_name=self.region,
            endpoint_url=endpoint or (self.ec2_endpoint if service in ("ec2", "securityhub") else self.endpoint),
            verify=str(self.certificate),
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
        )

    def in_region(self, region: str) -> "Cloud":
        """The same emulators, whose clients are of another region. moto and ministack keep regions apart."""
        other = copy.copy(self)
        other.region = region
        return other

    def stop(self) -> None:
        # The whole process group: warm functions are children of ministack.
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            pass  # it lets open connections run out first, which nobody waits for
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._moto.stop()

    def _start_ministack(self, port: int) -> subprocess.Popen:
        for name in ("state", "s3", "tmp"):
            (self.folder / name).mkdir()
        environment = self.environment() | {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            # Functions run as their own role, and IAM and resource policies are enforced.
            "AUTH": "true",
            # The template denies what is not encrypted in transit.
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self.certificate),
            "MINISTACK_SSL_KEY": str(self.certificate.with_suffix(".key")),
            "STATE_DIR": str(self.folder / "state"),
            "S3_DATA_DIR": str(self.folder / "s3"),
            "TMPDIR": str(self.folder / "tmp"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
            # Functions inherit this environment. The first is what Lambda sets where LoggingConfig says JSON, the second lets
            # a Go program trust the certificate whatever it makes of AWS_CA_BUNDLE.
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "SSL_CERT_FILE": str(self.certificate),
        }
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [str(MINISTACK), "-m", "ministack"], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        trust = ssl.create_default_context(cafile=str(self.certificate))
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", context=trust, timeout=2):
                    return process
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        process.kill()
        raise RuntimeError(f"ministack did not become ready:\n{self.log.read_text(errors='replace')[-4000:]}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1; its key lies beside it."""
    certificate = folder / "emulator.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=emulator",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate)],
        check=True, capture_output=True,
    )
    return certificate


def wait_until(what: str, probe, timeout: float = 30, interval: float = 0.05):
    """The first truthy answer of probe(); an AssertionError naming `what` if there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}; last answer: {json.dumps(answer, default=str)}")
        time.sleep(interval)
