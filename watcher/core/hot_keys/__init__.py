"""Which keys are hot, how hot, and what that means: from what Contributor Insights named to one verdict in words."""

from watcher.core.hot_keys.finding import HotKey, HotKeyFinding, KeyVerdict
from watcher.core.hot_keys.heat import PARTITION_CEILING
from watcher.core.hot_keys.verdict import judge
from watcher.core.hot_keys.words import state_mark

__all__ = ["PARTITION_CEILING", "HotKey", "HotKeyFinding", "KeyVerdict", "judge", "state_mark"]
