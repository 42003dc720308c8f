"""Metrics of edge nodes during faults: which served samples arrive in the cloud."""
