"""What a node gets before it boots: files, units, payload."""
