"""Metrics of edge nodes over faults: what the cloud has of what was served, sample by sample."""
