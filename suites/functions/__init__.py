"""Functions that a device wakes: each event handled once, online, offline and over faults."""
