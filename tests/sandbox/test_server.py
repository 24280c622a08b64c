"""Starting and stopping, and the contract with moto's private parts."""

from __future__ import annotations

import socket
import threading

import boto3
import moto
import pytest

from tests.sandbox.conftest import OPENED, client_of
from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_READ
from watcher.errors import WatcherError
from watcher.replay.plant import Plant, TableSpec
from watcher.sandbox import Sandbox, backends

TABLE = TableSpec("one", read=1, write=1)


def test_moto_is_the_version_whose_private_parts_were_read() -> None:
    assert moto.__version__ == "5.2.5"


def test_it_listens_on_loopback_only(sandbox: Sandbox) -> None:
    assert sandbox.endpoint_url == f"http://127.0.0.1:{sandbox.port}"
    with pytest.raises(OSError, match="refused"):
        # 127.0.0.2 is this machine as well; a server on all addresses would answer.
        socket.create_connection(("127.0.0.2", sandbox.port), timeout=5)


def test_stopping_leaves_no_thread_and_no_socket_behind() -> None:
    before = set(threading.enumerate())
    sandbox = Sandbox(SimulatedClock(OPENED), stories=(TABLE,))
    with sandbox:
        client = client_of(sandbox, "dynamodb")
        assert client.list_tables()["TableNames"] == ["one"]
        port = sandbox.port
        idle = socket.create_connection(("127.0.0.1", port), timeout=5)
        client.list_tables()  # by now somebody listens to the idle connection
        # It is still open when the sandbox stops.
    with idle:
        assert set(threading.enumerate()) == before
        assert idle.recv(1) == b"", "hung up"
    client.close()
    assert backends.describe(sandbox.region, "one") is None, "nothing stays in moto"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    sandbox.stop()  # once more does no harm


def test_one_sandbox_after_another_starts_afresh() -> None:
    for number in range(2):
        with Sandbox(SimulatedClock(OPENED), stories=(TABLE,)) as sandbox:
            client = client_of(sandbox, "dynamodb")
            sns = client_of(sandbox, "sns")
            try:
                assert client.list_tables()["TableNames"] == ["one"], f"run {number}"
                sns.publish(TopicArn=sandbox.topic_arn, Message=f"run {number}")
                client.update_table(
                    TableName="one", ProvisionedThroughput={"ReadCapacityUnits": 2, "WriteCapacityUnits": 2}
                )
                assert sandbox.messages() == [f"run {number}"]
                assert len(sandbox.ledger.entries) == 1
            finally:
                client.close()
                sns.close()


def test_two_at_once_are_refused_and_the_first_lives_on(sandbox: Sandbox) -> None:
    with pytest.raises(WatcherError, match="another sandbox runs in this process"):
        Sandbox(SimulatedClock(OPENED), stories=(TABLE,)).start()
    client = client_of(sandbox, "dynamodb")
    try:
        assert "busy" in client.list_tables()["TableNames"]
    finally:
        client.close()


def test_a_failed_start_cleans_up_after_itself() -> None:
    impossible = TableSpec("impossible", read=40_001, write=1)
    with pytest.raises(Exception, match="above the per table maximum"):
        Sandbox(SimulatedClock(OPENED), stories=(impossible,)).start()
    with Sandbox(SimulatedClock(OPENED), stories=(TABLE,)) as sandbox:
        assert sandbox.plant.names() == ["one"]


def test_alerts_cannot_be_read_before_the_start() -> None:
    with pytest.raises(WatcherError, match="call start"):
        Sandbox(SimulatedClock(OPENED), stories=()).messages()


def test_tables_that_the_plant_brings_along_are_served() -> None:
    plant = Plant(int(OPENED) - 600)
    plant.create(TABLE)
    with Sandbox(SimulatedClock(OPENED), stories=(), plant=plant) as sandbox:
        assert sandbox.plant is plant
        client = client_of(sandbox, "dynamodb")
        try:
            assert client.describe_table(TableName="one")["Table"]["TableStatus"] == "ACTIVE"
        finally:
            client.close()


def test_there_is_history_from_the_start() -> None:
    with Sandbox(SimulatedClock(OPENED), stories=(TABLE,)) as sandbox:
        minutes = list(sandbox.plant.truth("one", TABLE_READ))
    assert minutes == list(range(int(OPENED) - 3 * 3600, int(OPENED), 60))


def test_other_regions_are_empty(sandbox: Sandbox) -> None:
    client = boto3.client(
        "dynamodb",
        endpoint_url=sandbox.endpoint_url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    try:
        assert client.list_tables()["TableNames"] == []
    finally:
        client.close()
