"""Texts as every receiver can take them. A key shown in plain, and AWS's own words, may hold anything."""

from __future__ import annotations

from dataclasses import replace

from watcher.core.model import Alert


def readable(alert: Alert) -> Alert:
    """The alert with nothing in its texts that cannot be seen: what SQS refuses, what turns the direction of reading,
    what moves a terminal's cursor, halves of surrogate pairs. All of it stays to be read, as its escape. The subject is
    never empty, which SNS refuses."""
    return replace(
        alert,
        subject=one_line(alert.subject).strip() or f"{alert.cause}, {alert.state}",
        sentence=printable(alert.sentence),
        facts=tuple((one_line(name), printable(value)) for name, value in alert.facts),
        done=printable(alert.done),
        todo=printable(alert.todo),
        links=tuple((one_line(name), "".join(one_line(url).split())) for name, url in alert.links),
        tables=tuple(one_line(name) for name in alert.tables),
    )


def printable(text: str) -> str:
    r"""``text`` in lines of printable characters; any other as ``\x1b`` or ``\u202e``, any kind of space as a space."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line if line.isprintable() else line.translate(_Shown()) for line in lines)


def one_line(text: str) -> str:
    return printable(text).replace("\n", " ")


class _Shown(dict[int, str]):
    """How each character is shown, by its code; each is worked out once for a line."""

    def __missing__(self, code: int) -> str:
        self[code] = shown = _shown(chr(code))
        return shown


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character == "\t" or (character.isspace() and ord(character) > 0x7F):
        return " "
    return character.encode("unicode_escape").decode()
