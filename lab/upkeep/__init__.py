"""The cache as a whole: its content, use by labs, export and import, pruning."""
