"""Impaired and broken links: the edge tolerates them, and recovers by itself."""
