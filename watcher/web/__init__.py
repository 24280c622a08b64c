"""The read-only HTTP face: one page, its JSON, metrics and health."""
