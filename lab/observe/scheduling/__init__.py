"""Watches pods start: the API server's events, the node's own journal, metrics, clocks."""
