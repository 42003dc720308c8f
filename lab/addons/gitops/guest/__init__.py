"""Programs for nodes, of Python's standard library alone: they are copied there as they are."""
