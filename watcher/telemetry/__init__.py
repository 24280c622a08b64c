"""Where the daemon's life is shown: logs, metrics, health, and the snapshot that the page and its JSON are made of."""
