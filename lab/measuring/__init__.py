"""Measures and observations as data, and the interface of watchers; any package may use it."""
