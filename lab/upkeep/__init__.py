"""The cache as a whole: what is in it, what labs use of it, carried to other hosts, pruned."""
