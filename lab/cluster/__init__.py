"""A running cluster: kubectl, access, and waiting for it."""
