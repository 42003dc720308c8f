// edge, the lab's workload: what samples the devices on each edge node, and what collects.
module edge-lab/images/workload

go 1.25.0

require (
	github.com/gopcua/opcua v0.8.0
	github.com/simonvetter/modbus v1.6.4
	github.com/spiffe/go-spiffe/v2 v2.6.0
	go.etcd.io/bbolt v1.5.0
	google.golang.org/grpc v1.75.0
)

require (
	github.com/Microsoft/go-winio v0.6.2 // indirect
	github.com/go-jose/go-jose/v4 v4.1.2 // indirect
	github.com/goburrow/serial v0.1.0 // indirect
	golang.org/x/crypto v0.39.0 // indirect
	golang.org/x/net v0.41.0 // indirect
	golang.org/x/sys v0.45.0 // indirect
	golang.org/x/text v0.26.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20250707201910-8d1bb00bc6a7 // indirect
	google.golang.org/protobuf v1.36.7 // indirect
)
