"""The machine below a node fails it: the edge outlives that."""
