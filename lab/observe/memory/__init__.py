"""Observes a node's memory: its parts, and the effects of a shortage."""
