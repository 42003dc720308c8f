"""What a node is given before it boots."""
