"""The words of an alert, one module for each part of it; :mod:`watcher.core.advice` puts them together."""
