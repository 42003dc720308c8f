"""Measures and observations as data, and what a watcher is; any package may use it."""
