"""The config's alerts as the notifier and the telemetry want them."""

from __future__ import annotations

from watcher.aws.formats import Format
from watcher.aws.sns import Route
from watcher.config import Config


def routes_of(config: Config) -> list[Route]:
    """One route for each ``[[alerts]]`` entry, in the config's order."""
    return [
        Route(
            topic_arn=rule.topic_arn,
            format=Format(rule.format),
            match=rule.match,
            severities=frozenset(rule.severities),
            kinds=frozenset(rule.kinds),
            hears_the_watcher=rule.hears_the_watcher,
            quiet=rule.quiet.hours() if rule.quiet else None,
            repeat=rule.repeat_seconds,
        )
        for rule in config.alerts
    ]


def topics_of(config: Config) -> list[str]:
    """The ARNs of the config's topics, each once."""
    return list(dict.fromkeys(rule.topic_arn for rule in config.alerts))
