"""Services and names: what pods reach by them, online, offline, and after a boot while offline."""
