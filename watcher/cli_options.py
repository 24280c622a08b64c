"""What several commands share: the options that name a config, a Region and ask for JSON, and reading that config."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from watcher.config import Config, load
from watcher.errors import UsageError

REGIONS_VARIABLE = "WATCHER_AWS__REGIONS"
DEFAULT_CONFIG = Path("config.toml")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The config file; ./config.toml where that exists, else defaults.")
]
RegionOption = Annotated[
    str | None, typer.Option("--region", help="Where the table is, where the config has several Regions.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines instead of a table for people.")]


def load_config(path: Path | None, environ: Mapping[str, str] | None = None) -> tuple[Config, Path | None]:
    """The config and where it came from: the file given, else ./config.toml, else defaults and environment.

    Raises ConfigError with every mistake.
    """
    chosen = path if path is not None else DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
    return load(chosen, os.environ if environ is None else environ), chosen


def environ_with(region: str | None) -> Mapping[str, str]:
    """The environment, with --region instead of the config's Regions, checked as those are."""
    return os.environ if region is None else {**os.environ, REGIONS_VARIABLE: json.dumps([region])}


def only_region(config: Config, table: str) -> str:
    """The Region that a command about one table asks. Raises UsageError where the config leaves a choice."""
    if len(config.aws.regions) == 1:
        return config.aws.regions[0]
    known = ", ".join(config.aws.regions)
    raise UsageError(f"table {table} may be in any of {known}", hint="say which with --region")
