"""Sandboxes: whether a pod is in one, seen from inside and outside, and what hostile pods reach."""
