"""Twins: whether reported values match the devices, and desired values reach them."""
