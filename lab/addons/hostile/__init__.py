"""Hostile pods: their image, and the pods as manifests. The add-on only brings the image."""
