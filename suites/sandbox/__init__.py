"""Sandboxes: proofs from inside and outside that a pod is in one, and what hostile pods reach."""
