"""What knows nothing of labs: errors, deadlines, steps, processes, paths, YAML models."""
