"""Watches a lab while it is being broken: the cluster's view, the nodes' own, the samples."""
