"""A node's memory: where it is, and what happens when it is short."""
