package attempt

// System calls from 424 on have the same number on every architecture.
const (
	sysIoUringSetup = 425
	sysOpenTree     = 428
	sysFsopen       = 430
	sysPidfdOpen    = 434
	sysMemfdSecret  = 447
)
