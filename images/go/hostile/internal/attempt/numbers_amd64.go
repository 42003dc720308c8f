package attempt

// Numbers of system calls that package syscall does not have: arch/x86/entry/syscalls/syscall_64.tbl.
const (
	sysPersonality    = 135
	sysInitModule     = 175
	sysKexecLoad      = 246
	sysAddKey         = 248
	sysKeyctl         = 250
	sysPerfEventOpen  = 298
	sysOpenByHandleAt = 304
	sysProcessVmReadv = 310
	sysKcmp           = 312
	sysFinitModule    = 313
	sysBpf            = 321
	sysUserfaultfd    = 323
)
