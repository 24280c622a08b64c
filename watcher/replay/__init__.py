"""Replay: recorded traffic, a simulated DynamoDB to run it against, and the scalers to compare with."""
