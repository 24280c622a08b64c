"""Two AWS stand-ins over HTTP, moto's server and a scripted fake; clients with dummy credentials given explicitly."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from tests.aws.fake import FakeAws, fake_aws
from watcher.aws.client import AwsClients, AwsSettings, StaticCredentials
from watcher.clock import SimulatedClock

REGION = "us-east-1"
ACCOUNT = "123456789012"
NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
DUMMY = StaticCredentials("AKIAEXAMPLE", "secret")


@pytest.fixture(autouse=True)
def _no_personal_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own AWS configuration may reach a test."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Calls:
    """What the observers were told."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []
        self.seconds: list[float] = []

    def __call__(self, operation: str, outcome: str, seconds: float) -> None:
        self.made.append((operation, outcome))
        self.seconds.append(seconds)


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOON)


@pytest.fixture
def fake() -> Iterator[FakeAws]:
    with fake_aws() as server:
        yield server


def settings(url: str, *, read_attempts: int = 1, role_arn: str = "", external_id: str = "") -> AwsSettings:
    return AwsSettings(
        endpoint_url=url, credentials=DUMMY, read_attempts=read_attempts, role_arn=role_arn, external_id=external_id
    )


@pytest.fixture
def faked(fake: FakeAws, calls: Calls) -> Iterator[AwsClients]:
    """Clients of the scripted fake."""
    with AwsClients(settings(fake.url), on_call=calls) as clients:
        yield clients


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_url: str, calls: Calls) -> Iterator[AwsClients]:
    """Clients of a moto server that was just emptied."""
    request = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")  # noqa: S310 - loopback
    with urllib.request.urlopen(request):  # noqa: S310 - loopback
        pass
    with AwsClients(settings(moto_url), on_call=calls) as clients:
        yield clients
