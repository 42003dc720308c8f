//go:build arm64 || riscv64

package attempt

// Numbers of system calls in the table that newer architectures share: include/uapi/asm-generic/unistd.h.
const (
	sysPersonality    = 92
	sysInitModule     = 105
	sysKexecLoad      = 104
	sysAddKey         = 217
	sysKeyctl         = 219
	sysPerfEventOpen  = 241
	sysOpenByHandleAt = 265
	sysProcessVmReadv = 270
	sysKcmp           = 272
	sysFinitModule    = 273
	sysBpf            = 280
	sysUserfaultfd    = 282
)
