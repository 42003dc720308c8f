"""Models at the edge: updates, refusals, rollbacks, and what the cloud says of them."""
