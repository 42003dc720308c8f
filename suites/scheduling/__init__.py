"""How long pods take to start, stage by stage, and whether they are placed where they may be."""
