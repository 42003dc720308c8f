"""Certificates are replaced, and end, while samples flow."""
