"""Probes: which peers an endpoint admits, which it refuses, and for which reason."""
