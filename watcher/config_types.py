"""The kinds of values that several sections of the configuration share, each with what a mistake says is expected."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", description="non-empty text without control characters")]
Units = Annotated[Whole, Field(ge=1, le=10_000_000)]

# Letters, digits and _-. are what AWS allows in a table's or index's name; the rest is for patterns.
Pattern = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_.\-*?\[\]!]{1,255}$",
        description="a name (letters, digits, _ - .) or a pattern of them with * ? [abc]",
    ),
]
