"""Autonomy of edge nodes: cut off, without power, without their agents."""
