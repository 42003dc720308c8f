"""Bad and broken links: the edge copes, and comes back by itself."""
