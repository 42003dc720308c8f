"""Twins of the lab's devices in the cluster: their objects, and what is read and set there."""
