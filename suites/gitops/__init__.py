"""Updates of edge nodes from a Git repository, across partitions."""
