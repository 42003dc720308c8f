"""Serial lines between a device and the clients at its port."""
