"""An embedded AWS for trying the watcher out and for tests: no account, no network, a simulated world.

moto answers over HTTP; in front of it stands what moto lacks (throughput with its budgets, CloudWatch's DynamoDB
metrics, Contributor Insights, Application Auto Scaling that scales), and behind that the plant of ``watcher.replay``.
"""

from watcher.sandbox.calls import Faults, Ledger, Recorded
from watcher.sandbox.server import Sandbox
from watcher.sandbox.stories import Story, Tracked

__all__ = ["Faults", "Ledger", "Recorded", "Sandbox", "Story", "Tracked"]
