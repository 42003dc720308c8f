"""Probes: who is let in at an endpoint, who is turned away, and for which reason."""
