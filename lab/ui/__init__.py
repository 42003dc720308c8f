"""The page of `lab ui`: its server, its access control, and its files."""
