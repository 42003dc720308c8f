"""The page of `lab ui`: its server, who may talk to it, and its files."""
