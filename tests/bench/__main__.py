"""``make bench``: every bench, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from tests.bench import alert_latency, control, cycle, delivery_faults, hot_keys, plant, sampling_cost

BENCHES: Mapping[str, Callable[[], int]] = {
    "the plant": plant.main,
    "the cycle": cycle.main,
    "control, the short run (see python -m tests.bench.control --help)": control.main,
    "hot keys": hot_keys.main,
    "the cost of sampling keys, a week (see python -m tests.bench.sampling_cost --help)": sampling_cost.short,
    "alerts through a thousand incidents, kills and an ill SNS": delivery_faults.main,
    "how long until an alert is out, three storms (see tests.bench.alert_latency --help)": alert_latency.short,
}

if __name__ == "__main__":
    failed = []
    for name, bench in BENCHES.items():
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        if bench() != 0:
            failed.append(name)
    sys.exit(f"over budget: {', '.join(failed)}" if failed else 0)
