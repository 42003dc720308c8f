"""The add-on `spire`: pods prove who they are by SPIFFE identities, which SPIRE issues.

A server on the server node vouches for the nodes' agents; each agent looks up which pod asks it,
and gives it a certificate (SVID) for spiffe://<trust domain>/ns/<namespace>/sa/<service account>.
"""
