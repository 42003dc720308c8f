"""Certificates are replaced, and expire, while samples flow."""
