// SPIRE, the issuer of workload identities.
module edge-lab/images/spire

go 1.25.3
