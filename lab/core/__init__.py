"""Building blocks that do not depend on labs: errors, deadlines, steps, processes, YAML models."""
