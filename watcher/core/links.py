"""Where a reader of an alert goes next: the watcher's page, AWS's console, the runbook. Pure; nothing is fetched.

Console hosts are of the form ``<region>.<host of the partition>`` (AWS General Reference, "AWS Management Console
endpoints and quotas"; for the other partitions as their own documentation writes them).
"""

from __future__ import annotations

from watcher.core.model import TableKey
from watcher.core.policy import Links
from watcher.core.reasons import Cause

# Console hosts by the beginning of a Region's name, the last one for all others.
HOSTS = (
    ("cn-", "console.amazonaws.cn"),
    ("us-gov-", "console.amazonaws-us-gov.com"),
    ("eusc-", "console.amazonaws-eusc.eu"),
    ("", "console.aws.amazon.com"),
)
# Partitions that are cut off from the internet have consoles of their own, whose names are not public.
WITHOUT_CONSOLE = ("us-iso", "eu-iso")
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Contributor Insights has the keys.
ABOUT_KEYS = frozenset({Cause.KEY_RANGE, Cause.UNCLASSIFIED})


def links_of(links: Links, table: TableKey, index: str, cause: Cause) -> tuple[tuple[str, str], ...]:
    """(name, URL) in the order in which they help. table: its name is "" for a Region as a whole, whose console is the
    list of its tables. Every URL is whole and percent-encoded; what is not configured or not known is left out."""
    return tuple(
        (name, url)
        for name, url in (
            ("runbook", _runbook(links.runbook, table, index, cause)),
            ("page", _page(links.page, table)),
            ("console", _console(table)),
            ("keys", _contributors(table) if cause in ABOUT_KEYS else ""),
        )
        if url
    )


def anchor(table: TableKey) -> str:
    """The id of a table's place on the page; one of the watcher itself where the name is ""."""
    return f"table-{table.region}-{table.name}" if table.name else "itself"


def encoded(text: str) -> str:
    """``text`` as a part of a URL: every byte but the unreserved ones of RFC 3986 percent-encoded."""
    return "".join(c if c in UNRESERVED else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)


def _page(page: str, table: TableKey) -> str:
    return page if not page or "#" in page else f"{page}#{encoded(anchor(table))}"


def _host(region: str) -> str:
    if not region or region.startswith(WITHOUT_CONSOLE):
        return ""
    host = next(host for prefix, host in HOSTS if region.startswith(prefix))
    return f"https://{region}.{host}"


def _console(table: TableKey) -> str:
    host, region = _host(table.region), table.region
    if not host:
        return ""
    where = f"table?name={encoded(table.name)}&tab=monitoring" if table.name else "tables"
    return f"{host}/dynamodbv2/home?region={region}#{where}"


def _contributors(table: TableKey) -> str:
    host, region = _host(table.region), table.region
    return f"{host}/cloudwatch/home?region={region}#contributor-insights:rules" if host else ""


def _runbook(template: str, table: TableKey, index: str, cause: Cause) -> str:
    """The URL with its placeholders replaced, each once: what a value brings along is no placeholder."""
    values = {
        "cause": cause.value,
        "table": table.name,
        "index": index,
        "region": table.region,
        "account": table.account,
    }
    url, rest = "", template
    while rest:
        head, brace, tail = rest.partition("{")
        name, closing, after = tail.partition("}")
        if brace and closing and name in values:
            url, rest = url + head + encoded(values[name]), after
        else:
            url, rest = url + head + brace, tail
    return url
