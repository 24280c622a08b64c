from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.sandbox.shapes import Wire
from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec
from watcher.sandbox import Sandbox

OPENED = 1_790_000_100.0 // 3600 * 3600 + 7200  # a full hour, far from midnight
CLIENT = Config(retries={"mode": "standard", "total_max_attempts": 1})

# boto3's clients are generated from a service name that is only known at run time here.
Client = Any
Clients = Callable[[str], Client]


def busy(_minute: int) -> MinuteDemand:
    """Twice what the table's writes can take, with one key hot; half of what its reads can."""
    return MinuteDemand(
        units={TABLE_READ: 50 * 60, TABLE_WRITE: 40 * 60, Dimension("by-day", Kind.READ): 2 * 60},
        hot={TABLE_WRITE: (KeyShare("user#1", 0.5),)},
    )


BUSY = TableSpec(
    "busy",
    read=100,
    write=20,
    indexes=(IndexSpec("by-day", read=5, write=200, write_ratio=1.0),),
    demand=busy,
)
QUIET = TableSpec("quiet", read=10, write=10)
SORTED = TableSpec("sorted", read=10, write=10, has_sort_key=True)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(OPENED)


@pytest.fixture
def sandbox(clock: SimulatedClock) -> Iterator[Sandbox]:
    """Three tables, a quarter of an hour of traffic behind them; points come punctually 60 s after their minute."""
    plant = Plant(int(OPENED) - 900, jitter=0.0, late_share=0.0)
    with Sandbox(clock, stories=(BUSY, QUIET, SORTED), plant=plant) as running:
        yield running


@contextmanager
def clients_of(sandbox: Sandbox) -> Iterator[Clients]:
    """Clients of ``sandbox`` by service name, that send every call once."""
    made: dict[str, Client] = {}

    def client(service: str) -> Client:
        if service not in made:
            made[service] = client_of(sandbox, service)
        return made[service]

    try:
        yield client
    finally:
        for one in made.values():
            one.close()


@pytest.fixture
def aws(sandbox: Sandbox) -> Iterator[Clients]:
    with clients_of(sandbox) as clients:
        yield clients


def client_of(sandbox: Sandbox, service: str) -> Client:
    # The service's name is a variable, which boto3's overloads cannot follow.
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=sandbox.endpoint_url,
        region_name=sandbox.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=CLIENT,
    )


@pytest.fixture
def wire(aws: Clients) -> Wire:
    return Wire(aws)
