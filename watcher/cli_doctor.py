"""``watcher doctor``: the config as a plan for the doctor, and its findings as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from watcher.aws.client import AwsClients
from watcher.aws.doctor import Finding, Plan, Verdict
from watcher.aws.doctor import examine as examine_plan
from watcher.config import Config
from watcher.core.insights import Sampling
from watcher.core.policy import AutoScaling
from watcher.core.reasons import Mode
from watcher.core.words import count
from watcher.daemon import Settings, aws_settings, policies_of

ATTEMPTS = 2  # one lost packet is no finding; three attempts of ten calls at a dead address would try patience
NARROW = 120  # columns, below which long permissions are folded

_STYLES = {
    Verdict.ALLOWED: "green",
    Verdict.DENIED: "bold red",
    Verdict.UNREACHABLE: "bold red",
    Verdict.NOT_TRIED: "dim",
    Verdict.WARNING: "yellow",
    Verdict.NOTE: "dim",
}


def examine(config: Config, settings: Settings) -> list[Finding]:
    """The doctor's findings for this config. Raises AwsError when AWS's own settings on this machine are broken."""
    with AwsClients(replace(aws_settings(config, settings), read_attempts=ATTEMPTS)) as clients:
        return examine_plan(clients, plan_of(config), settings.clock)


def plan_of(config: Config) -> Plan:
    acting = [rule for rule in config.tables if rule.mode is Mode.ACT]
    return Plan(
        regions=config.aws.regions,
        patterns=[rule.match for rule in config.tables],
        policy=policies_of(config),
        overlaps=config.overlaps,
        acts=bool(acting),
        floors=any(rule.auto_scaling is AutoScaling.FLOOR for rule in acting),
        samples=any(rule.policy(config.hot_keys.sampling).sampling is not Sampling.OFF for rule in acting),
        rules_quota=config.hot_keys.rules_quota,
        latency=config.polling.latency,
        topics=[rule.topic_arn for rule in config.alerts],
        role_arn=config.aws.role_arn or "",
    )


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """The findings under their subjects, and one line on the whole at the end."""
    for subject, group in groupby(findings, key=lambda finding: finding.subject):
        console.print(Text(subject, style="bold"))
        ordered = list(group)
        for part in ([f for f in ordered if not f.action], [f for f in ordered if f.action]):
            if part:
                console.print(Padding(_grid(part, narrow=console.width < NARROW), (0, 0, 0, 2), expand=False))
    missing = sum(1 for finding in findings if finding.is_missing)
    if missing:
        console.print(
            Text(f"{count(missing, 'thing')} that this config needs: denied or not reached", style="bold red")
        )
    else:
        console.print(Text("Nothing that this config needs is denied or out of reach.", style="green"))


def _grid(findings: Sequence[Finding], *, narrow: bool) -> Table:
    """Facts have two columns, permissions three."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, min_width=max(len(verdict) for verdict in Verdict))
    if findings[0].action:
        grid.add_column(overflow="fold", max_width=34 if narrow else None)
    grid.add_column()
    for finding in findings:
        verdict = Text(finding.verdict.value, style=_STYLES[finding.verdict])
        grid.add_row(verdict, *(escape(text) for text in (finding.action, finding.sentence) if text))
    return grid
