"""Whether the lab matches its topology, and each part of it works."""
