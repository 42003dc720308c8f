"""Observes a lab while faults are injected: the views of the cluster and nodes, the samples."""
