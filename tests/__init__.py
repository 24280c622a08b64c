"""Tests mirror watcher/; house.py and its kind are helpers they share."""
