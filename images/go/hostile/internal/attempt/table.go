package attempt

import "syscall"

// Kernel are the attempts that need nothing but the kernel, or what stands in for it.
func Kernel() []Attempt {
	return []Attempt{
		{Name: "mount-tmpfs", Do: func() (string, error) { return mounted("tmpfs") }},
		{Name: "mount-proc", Do: func() (string, error) { return mounted("proc") }},
		{Name: "unshare-mount", Do: unsharing(syscall.CLONE_NEWNS)},
		{Name: "unshare-net", Do: unsharing(syscall.CLONE_NEWNET)},
		{Name: "unshare-pid", Do: unsharing(syscall.CLONE_NEWPID)},
		{Name: "unshare-cgroup", Do: unsharing(syscall.CLONE_NEWCGROUP)},
		{Name: "unshare-user", Do: unsharing(syscall.CLONE_NEWUSER)},
		{Name: "fsopen", Do: fsopen},
		{Name: "open-tree", Do: openTree},
		{Name: "io-uring", Do: ioUring},
		{Name: "bpf", Do: bpfMap},
		{Name: "userfaultfd", Do: userfaultfd},
		{Name: "perf-event", Do: perfEvent},
		{Name: "init-module", Beyond: []syscall.Errno{syscall.ENOEXEC}, Do: initModule},
		{Name: "finit-module", Beyond: []syscall.Errno{syscall.EBADF}, Do: finitModule},
		{Name: "kexec-load", Beyond: []syscall.Errno{syscall.EINVAL}, Do: kexecLoad},
		{Name: "open-by-handle", Beyond: []syscall.Errno{syscall.ESTALE}, Do: openByHandle},
		{Name: "add-key", Do: addKey},
		{Name: "keyctl-read", Do: keyctlRead},
		{Name: "personality", Do: personality},
		{Name: "kcmp", Do: kcmp},
		{Name: "pidfd-open", Do: pidfdOpen},
		{Name: "memfd-secret", Do: memfdSecret},
		{Name: "raw-socket", Do: socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP)},
		{Name: "packet-socket", Do: socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)},
		{Name: "vsock", Do: socket(afVsock, syscall.SOCK_STREAM, 0)},
		{Name: "sethostname", Do: setHostname},
		{Name: "ptrace-init", Do: ptraceInit},
		{Name: "kernel-log", Do: kernelLog},
		{Name: "kmsg", Do: opening(syscall.O_RDONLY|syscall.O_NONBLOCK, "/dev/kmsg")},
		{Name: "core-pattern", Do: opening(syscall.O_WRONLY, "/proc/sys/kernel/core_pattern")},
		{Name: "sysrq", Do: opening(syscall.O_WRONLY, "/proc/sysrq-trigger")},
		{Name: "sys-write", Do: opening(syscall.O_WRONLY,
			"/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/mm/ksm/run")},
		{Name: "cgroup-procs", Do: opening(syscall.O_WRONLY, "/sys/fs/cgroup/cgroup.procs")},
		// Of cgroup v1, where a program named there is run by the kernel as root of the node.
		{Name: "release-agent", Do: opening(syscall.O_WRONLY,
			"/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/rdma/release_agent",
			"/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/devices/devices.allow")},
		{Name: "mknod-device", Do: makeMemoryNode},
		{Name: "open-memory", Do: openMemoryNode},
		{Name: "open-disk", Do: openDiskNode},
	}
}
