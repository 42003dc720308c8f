"""Observes a control plane under a fleet."""
