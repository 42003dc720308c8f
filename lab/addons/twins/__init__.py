"""Twins of the lab's devices in the cluster: their objects, reported and desired values."""
