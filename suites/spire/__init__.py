"""Workload identities: who is admitted with them, and how long a node works without the server."""
