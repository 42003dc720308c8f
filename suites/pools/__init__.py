"""Node pools: configurations and traffic of each pool, pools that are cut off, nodes that move."""
