"""The walk: up, save, restore and down."""
