"""The embedded AWS, reached only as its users reach it: over HTTP with boto3."""
