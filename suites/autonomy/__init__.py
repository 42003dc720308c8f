"""The edge goes on by itself: cut off, without power, without its agents."""
