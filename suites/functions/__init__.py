"""Functions that devices wake: each event is handled once, online, offline and during faults."""
