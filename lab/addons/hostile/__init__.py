"""Hostile pods: their image, and the pods as manifests. The add-on only installs the image."""
