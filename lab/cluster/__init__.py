"""A running cluster: access, objects, and waiting for it."""
