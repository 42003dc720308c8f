// KubeEdge's CRD manifests. The module is downloaded and read; nothing of it is built.
module edge-lab/images/kubeedge-crds

go 1.25.0

require github.com/kubeedge/kubeedge v1.23.1
