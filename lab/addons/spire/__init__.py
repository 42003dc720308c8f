"""The add-on `spire`: pods have SPIFFE identities, issued by SPIRE.

A server on the server node attests the nodes' agents; each agent identifies the pod that calls it,
and issues a certificate (SVID) for spiffe://<trust domain>/ns/<namespace>/sa/<service account>.
"""
