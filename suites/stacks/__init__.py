"""What is particular to one stack: whether it is told right, and whether it is what it says."""
