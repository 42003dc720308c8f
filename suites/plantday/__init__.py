"""A day of operation with everything at once, under a plan of faults, and one verdict."""
