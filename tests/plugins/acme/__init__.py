"""What another distribution brings: an add-on, its components, and a device protocol."""
