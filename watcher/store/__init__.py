"""Durable memory: a versioned document format, an embedded engine (SQLite) and one that forgets (memory)."""
