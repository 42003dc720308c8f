"""Devices that are firmware on an emulated microcontroller."""
