// edge, the lab's workload: what samples the devices on each edge node, and what collects.
module edge-lab/images/workload

go 1.25.0

require (
	github.com/gopcua/opcua v0.8.0
	github.com/simonvetter/modbus v1.6.4
	go.etcd.io/bbolt v1.5.0
)

require (
	github.com/goburrow/serial v0.1.0 // indirect
	golang.org/x/sys v0.45.0 // indirect
)
