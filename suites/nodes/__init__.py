"""Faults of the machine below a node."""
