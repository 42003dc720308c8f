// edge-functions: what watches devices, wakes functions, and is such a function.
module edge-lab/images/functions

go 1.25.0

require (
	github.com/nats-io/nats.go v1.50.0
	github.com/simonvetter/modbus v1.6.4
)

require (
	github.com/goburrow/serial v0.1.0 // indirect
	github.com/klauspost/compress v1.18.5 // indirect
	github.com/nats-io/nkeys v0.4.15 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	golang.org/x/crypto v0.49.0 // indirect
	golang.org/x/sys v0.42.0 // indirect
)
