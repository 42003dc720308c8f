"""Serial lines: a wire of characters between a device and whoever is at its port."""
