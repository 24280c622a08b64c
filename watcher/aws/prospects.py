"""What can be told of a table before anything is tried: names that a pattern covers, and why act mode will not act."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from watcher.core.model import Billing, Dimension, ScalableTarget, TableDescription
from watcher.core.policy import AutoScaling, TablePolicy

STAND_IN = "watcher-doctor"


def name_like(pattern: str) -> str:
    """A name that ``pattern`` matches and hardly any table has: a policy limited to the pattern allows asking about it.

    A pattern without wildcards is its own name.
    """
    name = re.sub(r"\[!?.[^\]]*\]", _member, pattern).replace("?", "x")
    return name.replace("*", STAND_IN, 1).replace("*", "")


def _member(found: re.Match[str]) -> str:
    letters = string.ascii_letters + string.digits
    return next((letter for letter in letters if fnmatchcase(letter, found.group())), "x")


def hindrances(
    seen: TableDescription, policy: TablePolicy, targets: Mapping[Dimension, ScalableTarget]
) -> Iterator[str]:
    """A sentence for each thing that keeps act mode from changing this table, or a part of it."""
    if seen.billing is Billing.ON_DEMAND:
        yield "billed on demand, so act mode has no capacity to change"
        return
    if seen.replicas:
        yield f"a global table, with replicas in {', '.join(seen.replicas)}: act mode changes no capacity there"
        return
    held = sorted(dimension for dimension, target in targets.items() if target.holds)
    if held:
        nouns = ", ".join(dimension.noun for dimension in held)
        yield f"Application Auto Scaling holds its {nouns}: {_ANSWERS[policy.auto_scaling]}"
    unbounded = [dimension.noun for dimension in seen.dimensions() if policy.bounds_for(dimension) is None]
    if unbounded:
        yield f"no bounds for {', '.join(unbounded)}: advised on only; an indexes pattern with both kinds sets them"


_ANSWERS: Mapping[AutoScaling, str] = {
    AutoScaling.RESPECT: 'advised on only; auto_scaling = "floor" lets the watcher raise its minimum',
    AutoScaling.FLOOR: "there the watcher raises its minimum and nothing else",
}
