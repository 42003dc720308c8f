"""A device that is firmware: an emulated microcontroller, and what the lab has around it."""
