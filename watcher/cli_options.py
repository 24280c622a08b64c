"""What several commands share: the options that name a config and ask for JSON, and reading that config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from watcher.config import Config, load

DEFAULT_CONFIG = Path("config.toml")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The config file; ./config.toml where that exists, else defaults.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines instead of a table for people.")]


def load_config(path: Path | None, environ: Mapping[str, str] | None = None) -> tuple[Config, Path | None]:
    """The config and where it came from: the file given, else ./config.toml, else defaults and environment.

    Raises ConfigError with every mistake.
    """
    chosen = path if path is not None else DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
    return load(chosen, os.environ if environ is None else environ), chosen
