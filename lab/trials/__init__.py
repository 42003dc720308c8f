"""Plans that are watched and judged."""
