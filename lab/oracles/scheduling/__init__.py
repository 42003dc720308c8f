"""Verdicts on the start of pods: the time of each stage, and the placement."""
