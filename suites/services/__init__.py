"""Services and DNS: what pods can reach online, offline, and after a boot while offline."""
