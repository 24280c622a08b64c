"""``make bench``: every bench, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from tests.bench import control, cycle, plant

BENCHES: Mapping[str, Callable[[], int]] = {
    "the plant": plant.main,
    "the cycle": cycle.main,
    "control, the short run (see python -m tests.bench.control --help)": control.main,
}

if __name__ == "__main__":
    failed = []
    for name, bench in BENCHES.items():
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        if bench() != 0:
            failed.append(name)
    sys.exit(f"over budget: {', '.join(failed)}" if failed else 0)
