// edge-runsc, through which containerd's runc shim runs containers in gVisor.
module edge-lab/images/runsc

go 1.25.0
