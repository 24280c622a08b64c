"""The page: a snapshot in, HTML out. No I/O, no clock, no script; one small stylesheet, allowed by its hash."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from watcher.clock import iso
from watcher.core.links import anchor
from watcher.core.model import Decision
from watcher.core.words import capitalised, count, duration, milliseconds, percent, units
from watcher.telemetry.health import Verdict
from watcher.telemetry.snapshot import Snapshot, pauses_in_force, regions_unread, store_loss
from watcher.web.view import apart_from_storms, bar, block, by_need, headline, ordinal, regionals, topic_name

DECISIONS_SHOWN = 50
REFRESH_SECONDS = 60

_STYLE = resources.files("watcher.web").joinpath("templates", "style.css").read_text("utf-8")
STYLE_HASH = f"sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("watcher.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        anchor=anchor,
        bar=bar,
        capitalised=capitalised,
        count=count,
        duration=duration,
        iso=iso,
        milliseconds=milliseconds,
        ordinal=ordinal,
        percent=percent,
        topic_name=topic_name,
        units=units,
    )
    return environment


_TEMPLATE = _environment().get_template("page.html.j2")


def render(
    snapshot: Snapshot,
    *,
    now: float,
    health: Verdict,
    decisions: Sequence[Decision],
    history_error: str = "",
    refresh: bool = False,
) -> str:
    """The whole document. decisions: newest first, the first 50 are shown; history_error: why there are none.

    refresh: whether the page loads itself anew every minute.
    """
    return _TEMPLATE.render(
        style=Markup(_STYLE),  # noqa: S704 - our own file, not anyone's input; escaped quotes would break the hash
        refresh_seconds=REFRESH_SECONDS if refresh else 0,
        now=now,
        headline=headline(snapshot, health),
        snapshot=snapshot,
        report=snapshot.report,
        regionals=regionals(snapshot),
        incidents=[(view, snapshot.pause_of(view.key)) for view in by_need(apart_from_storms(snapshot))],
        pauses=pauses_in_force(snapshot.report) if snapshot.report else (),
        blocks=[block(view, now, is_old=not health.ok) for view in by_need(snapshot.tables)],
        decisions=decisions[:DECISIONS_SHOWN],
        history_error=history_error,
        regions_unread=regions_unread(snapshot.report),
        store_loss=store_loss(snapshot.report),
        health=health,
    )
