"""The house rules hold in this tree, and the checker that says so sees each kind of breach."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.house import FILE_LINES, FLOORS, FUNCTION_LINES, PURE, Breach, breaches

REPOSITORY = Path(__file__).parent.parent


def plant(root: Path, path: str, source: str) -> list[Breach]:
    """Write one file below ``root/watcher`` and check that tree."""
    target = root / "watcher" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(source, encoding="utf-8")
    return breaches(root)


def test_this_house_stands() -> None:
    found = breaches(REPOSITORY)
    assert not found, "\n" + "\n".join(map(str, found))


def test_this_house_is_not_empty() -> None:
    # A checker pointed at the wrong folder would find no breach for ever.
    assert len(list((REPOSITORY / "watcher").rglob("*.py"))) > 10
    assert breaches(REPOSITORY / "tests") == []


def test_the_pure_list_holds_only_standard_library() -> None:
    assert PURE.issubset(sys.stdlib_module_names)
    assert not PURE & {"os", "sys", "io", "random", "logging", "time", "socket", "pathlib", "sqlite3", "json"}


@pytest.mark.parametrize(
    ("path", "source", "line", "rule"),
    [
        pytest.param(
            "cycle.py",
            "import os\nimport watcher.daemon\n",
            2,
            "cycle imports watcher.daemon from a higher floor; imports point down only",
            id="an import of a higher floor",
        ),
        pytest.param(
            "store/sqlite.py",
            "def f():\n    from watcher.web import page\n    return page\n",
            2,
            "store imports watcher.web.page from a higher floor; imports point down only",
            id="an import inside a function counts",
        ),
        pytest.param(
            "ports.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from watcher.telemetry import logs\n",
            3,
            "ports imports watcher.telemetry.logs from a higher floor; imports point down only",
            id="an import for the type checker counts",
        ),
        pytest.param(
            "aws/client.py",
            "from ..web.page import render\n",
            1,
            "aws imports watcher.web.page.render from a higher floor; imports point down only",
            id="a relative import is resolved",
        ),
        pytest.param(
            "aws/__init__.py",
            "from .. import cycle\n",
            1,
            "aws imports watcher.cycle from a higher floor; imports point down only",
            id="a relative import in a package's own file starts one level higher",
        ),
        pytest.param(
            "web/server.py",
            "import importlib\nx = importlib.import_module('watcher.cli')\n",
            2,
            "web imports watcher.cli from a higher floor; imports point down only",
            id="an import by name counts",
        ),
        pytest.param(
            "replay/runner.py",
            "from watcher.web import page\n",
            1,
            "replay imports watcher.web.page from its own floor; neighbours do not know each other",
            id="replay and web are neighbours",
        ),
        pytest.param(
            "aws/sns.py",
            "from watcher import store\n",
            1,
            "aws imports watcher.store from its own floor; neighbours do not know each other",
            id="adapters are neighbours",
        ),
        pytest.param(
            "config_mistakes.py",
            "import watcher.ports\n",
            1,
            "config imports watcher.ports from its own floor; neighbours do not know each other",
            id="a helper module stands for its unit",
        ),
        pytest.param(
            "cycle.py",
            "from watcher.aws import capacity\n",
            1,
            "cycle imports the adapter watcher.aws.capacity; only cli, daemon, replay, sandbox choose adapters",
            id="the cycle never knows an adapter",
        ),
        pytest.param(
            "audit/rules.py",
            "import watcher.telemetry.logs\n",
            1,
            "audit imports the adapter watcher.telemetry.logs; only cli, daemon, replay, sandbox choose adapters",
            id="the audit never knows an adapter",
        ),
        pytest.param(
            "core/step.py",
            "from watcher.clock import iso\n",
            1,
            "core imports watcher.clock; core imports nothing of ours outside core",
            id="core does not know even the clock",
        ),
        pytest.param(
            "core/step.py",
            "from watcher import __version__\n",
            1,
            "core imports nothing of ours outside core",
            id="core does not know the version",
        ),
        pytest.param(
            "core/step.py",
            "import math\nimport random\n",
            2,
            "core may not import random; it is pure: standard library only, from PURE in tests/house.py",
            id="core may not roll dice",
        ),
        pytest.param(
            "core/step.py",
            "TEXT = open('x').read()\n",
            1,
            "open in core; core is pure",
            id="core opens no file",
        ),
        pytest.param(
            "__init__.py",
            "from watcher.core import step\n",
            1,
            "the package itself imports watcher.core; it imports nothing of ours",
            id="the package itself stays empty",
        ),
        pytest.param(
            "helpers.py",
            "",
            1,
            "watcher.helpers stands on no floor; place it in FLOORS of tests/house.py",
            id="a new top-level module must be placed",
        ),
        pytest.param(
            "helpers/deep.py",
            "",
            1,
            "watcher.helpers stands on no floor; place it in FLOORS of tests/house.py",
            id="a new package must be placed",
        ),
        pytest.param(
            "web/page.py",
            "import boto3\n",
            1,
            "boto3 is imported outside its home (aws/*, store/dynamodb.py, sandbox/*)",
            id="boto3 outside aws",
        ),
        pytest.param(
            "store/sqlite.py",
            "from botocore.exceptions import ClientError\n",
            1,
            "botocore is imported outside its home (aws/*, store/dynamodb.py, sandbox/*)",
            id="the store's other file is no home of botocore",
        ),
        pytest.param(
            "cycle.py",
            "from apscheduler.schedulers.background import BackgroundScheduler\n",
            1,
            "apscheduler is imported outside its home (daemon*.py, scheduler.py)",
            id="the scheduler outside the daemon",
        ),
        pytest.param(
            "telemetry/logs.py",
            "import sqlite3\n",
            1,
            "sqlite3 is imported outside its home (store/*)",
            id="a library of the standard library may have a home too",
        ),
        pytest.param(
            "web/page.py",
            "import numpy\n",
            1,
            "numpy is a library without a home; name its places in HOMES of tests/house.py",
            id="a library nobody placed",
        ),
        pytest.param(
            "cycle.py",
            "import time as t\n\n\ndef f():\n    return t.monotonic()\n",
            5,
            "time.monotonic outside watcher/clock.py; take a Clock",
            id="a clock call behind another name",
        ),
        pytest.param(
            "web/page.py",
            "from datetime import datetime\nSTART = datetime.now()\n",
            2,
            "datetime.datetime.now outside watcher/clock.py; take a Clock",
            id="the wall clock of datetime",
        ),
        pytest.param(
            "web/page.py",
            "from time import sleep\n",
            1,
            "time.sleep outside watcher/clock.py; take a Clock",
            id="a clock call is seen at its import",
        ),
        pytest.param(
            "store/codec.py",
            "import time\nDEFAULT = time.time\n",
            2,
            "time.time outside watcher/clock.py; take a Clock",
            id="a clock handed on without a call",
        ),
        pytest.param(
            "web/page.py",
            "def f():\n    print('x')\n",
            2,
            "print outside cli; log through ports.Telemetry",
            id="print outside the command line",
        ),
        # Planted, so that the rule is seen to find it.
        pytest.param(
            "web/page.py",
            "def f():\n    raise NotImplementedError\n",
            2,
            "NotImplementedError raised; finish it or leave it out",
            id="an unfinished function",
        ),
        pytest.param(
            "web/page.py",
            "X = 1  # TO" + "DO: more\n",
            1,
            "TO" + "DO left in the source; finish it or leave it out",
            id="a note to finish later",
        ),
        pytest.param(
            "web/page.py",
            'def f():\n    """Says much."""\n    ...\n',
            1,
            "function f is a stub; only Protocol methods have no body",
            id="a body of three dots",
        ),
        pytest.param(
            "web/page.py",
            "def f():\n" + "    x = 1\n" * FUNCTION_LINES,
            1,
            f"function f has {FUNCTION_LINES + 1} lines; at most {FUNCTION_LINES}",
            id="a function one line too long",
        ),
        pytest.param(
            "web/page.py",
            "x = 1\n" * (FILE_LINES + 1),
            FILE_LINES + 1,
            f"file has {FILE_LINES + 1} lines; at most {FILE_LINES}",
            id="a file one line too long",
        ),
        pytest.param("web/page.py", "def f(:\n", 1, "cannot be parsed: invalid syntax", id="a file that is not Python"),
    ],
)
def test_a_planted_breach_is_reported_with_file_line_and_rule(
    tmp_path: Path, path: str, source: str, line: int, rule: str
) -> None:
    assert plant(tmp_path, path, source) == [Breach(f"watcher/{path}", line, rule)]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        pytest.param(
            "cli.py", "from watcher.store import sqlite\nimport typer\nprint(typer)\n", id="cli may do all this"
        ),
        pytest.param(
            "cli_audit.py", "import rich\nfrom watcher import audit, cli\n", id="cli's helpers stand with cli"
        ),
        pytest.param("__main__.py", "from watcher.cli import main\n", id="the main module stands with cli"),
        pytest.param("daemon.py", "from watcher import scheduler, sandbox\nimport watcher.aws\n", id="daemon composes"),
        pytest.param("scheduler.py", "import apscheduler\n", id="the daemon's scheduler is a home of apscheduler"),
        pytest.param("sandbox/aws.py", "import moto.server, boto3\nfrom watcher.replay import plant\n", id="sandbox"),
        pytest.param(
            "replay/runner.py", "from watcher.store import memory\nfrom . import plant\n", id="replay chooses"
        ),
        pytest.param(
            "cycle.py", "from watcher import clock, errors, observe, ports\nfrom watcher.core import step\n", id="cycle"
        ),
        pytest.param(
            "aws/client.py", "from watcher.aws import errors\nfrom watcher.errors import AwsError\n", id="aws"
        ),
        pytest.param("store/dynamodb.py", "import boto3\n", id="the DynamoDB store is a home of boto3"),
        pytest.param(
            "config.py",
            "import os\nfrom watcher import config_mistakes\nfrom watcher.core import policy\n",
            id="config",
        ),
        pytest.param(
            "core/step.py",
            "from datetime import UTC, datetime\nX = datetime.fromtimestamp(0, UTC)\n",
            id="core may count in dates",
        ),
        pytest.param("clock.py", "import time\nX = time.time()\n", id="the clock may read the clock"),
        pytest.param("web/page.py", "from watcher import __version__\n", id="everyone but core may show the version"),
        pytest.param("web/page.py", "def f(time):\n    return time.time\n", id="an argument's name is not the clock"),
        pytest.param(
            "sandbox/aws.py", "try:\n    x = 1\nexcept NotImplementedError:\n    x = 2\n", id="catching a library's gap"
        ),
        pytest.param(
            "ports.py", "class P(Protocol):\n    def f(self) -> None: ...\n", id="a Protocol's method has no body"
        ),
        pytest.param(
            "web/page.py", "def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1), id="a function of just the limit"
        ),
        pytest.param("web/page.py", "x = 1\n" * FILE_LINES, id="a file of just the limit"),
    ],
)
def test_what_the_rules_allow_is_not_reported(tmp_path: Path, path: str, source: str) -> None:
    assert plant(tmp_path, path, source) == []


# DESIGN: who may import whom, written out, so that a slip in the checker's table or its arithmetic shows.
GROUND = {"clock", "errors"}
CONTRACTS = GROUND | {"core"}
ADAPTERS = {"aws", "store", "telemetry"}
MIDDLE = CONTRACTS | {"ports", "config"}
MAY_IMPORT = {
    "clock": set[str](),
    "errors": set[str](),
    "core": set[str](),
    "ports": CONTRACTS,
    "config": CONTRACTS,
    "aws": MIDDLE,
    "store": MIDDLE,
    "telemetry": MIDDLE,
    "cycle": MIDDLE,
    "web": MIDDLE | {"cycle"},
    "audit": MIDDLE | {"cycle"},
    "replay": MIDDLE | {"cycle"} | ADAPTERS,
    "record": MIDDLE | {"cycle", "replay", "web", "audit"},
    "sandbox": MIDDLE | {"cycle", "replay", "web", "audit"} | ADAPTERS,
    "nightly": MIDDLE | {"cycle", "replay", "web", "audit", "sandbox", "record"},
    "daemon": MIDDLE | {"cycle", "replay", "web", "audit", "sandbox", "record", "nightly"} | ADAPTERS,
    "cli": MIDDLE | {"cycle", "replay", "web", "audit", "sandbox", "record", "nightly", "daemon"} | ADAPTERS,
}


@pytest.mark.parametrize("importer", MAY_IMPORT)
def test_each_unit_may_import_exactly_these(tmp_path: Path, importer: str) -> None:
    source = "".join(f"import watcher.{imported}\n" for imported in MAY_IMPORT)
    refused_lines = {breach.line for breach in plant(tmp_path, f"{importer}.py", source)}
    allowed = {imported for line, imported in enumerate(MAY_IMPORT, start=1) if line not in refused_lines}
    assert allowed == MAY_IMPORT[importer] | {importer}


@pytest.mark.parametrize(
    ("importer", "imported", "is_fine"),
    [
        pytest.param("web", "watcher.telemetry.snapshot", True, id="the page shows the snapshot"),
        pytest.param("web", "watcher.telemetry.health", True, id="and the verdict on the watcher's health"),
        pytest.param("web", "watcher.telemetry.metrics", False, id="but not the metrics' own machinery"),
        pytest.param("cycle", "watcher.telemetry.snapshot", False, id="and the cycle stays behind its ports"),
    ],
)
def test_read_models_are_the_one_exception(tmp_path: Path, importer: str, imported: str, is_fine: bool) -> None:  # noqa: FBT001 - a table's column
    found = plant(tmp_path, f"{importer}.py", f"import {imported}\n")
    assert (not found) is is_fine


def test_the_table_above_knows_every_unit() -> None:
    assert set(MAY_IMPORT) == {unit for floor in FLOORS for unit in floor}


def test_breaches_of_several_files_come_sorted_by_file_and_line(tmp_path: Path) -> None:
    plant(tmp_path, "web/page.py", "import boto3\nprint('x')\n")
    found = plant(tmp_path, "aws/client.py", "import time\nX = time.time()\nimport rich\n")
    assert [(breach.path, breach.line) for breach in found] == [
        ("watcher/aws/client.py", 2),
        ("watcher/aws/client.py", 3),
        ("watcher/web/page.py", 1),
        ("watcher/web/page.py", 2),
    ]
