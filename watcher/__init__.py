"""The watcher: diagnoses DynamoDB throttling, adjusts provisioned capacity in bounds, and explains itself."""

__version__ = "0.1.0"
