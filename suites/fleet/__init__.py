"""How many nodes a control plane carries, and what it does when all of them come back at once."""
