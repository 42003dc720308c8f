"""The start of pods, stage by stage, and their placement."""
