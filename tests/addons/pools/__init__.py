"""The add-on `pools`, and the verdicts of its suite."""
