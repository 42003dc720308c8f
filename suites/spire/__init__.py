"""Workload identities: who is let in by them, and how long a node goes on without the server."""
