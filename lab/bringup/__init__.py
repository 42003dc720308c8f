"""The lifecycle of a lab: up, save, restore and down."""
