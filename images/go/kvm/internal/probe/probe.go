// Package probe asks a kernel whether KVM works: it opens the device, makes a virtual machine and a
// CPU for it, and lists what the kernel's KVM is able to do. Nothing is run in the machine.
package probe

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// Device is where KVM is asked.
const Device = "/dev/kvm"

// Version is the only one of KVM's interface that programs are to use (Documentation/virt/kvm/api.rst).
const Version = 12

// Requests of ioctl(2), from linux/kvm.h; the same on all architectures.
const (
	getVersion     = 0xAE00
	createVM       = 0xAE01
	checkExtension = 0xAE03
	createVCPU     = 0xAE41
)

// capabilities are those that Firecracker demands of an architecture, by their names without KVM_CAP_
// (firecracker, src/vmm/src/arch/*/kvm.rs), with their numbers from linux/kvm.h; for riscv64, for which
// there is no Firecracker, those of its arm64 list that are not Arm's own.
var capabilities = map[string]map[string]uintptr{
	"amd64": {
		"IRQCHIP": 0, "USER_MEMORY": 3, "SET_TSS_ADDR": 4, "EXT_CPUID": 7, "MP_STATE": 14, "IRQFD": 32,
		"PIT2": 33, "PIT_STATE2": 35, "IOEVENTFD": 36, "ADJUST_CLOCK": 39, "VCPU_EVENTS": 41,
		"DEBUGREGS": 50, "XSAVE": 55, "XCRS": 56,
	},
	"arm64": {
		"USER_MEMORY": 3, "MP_STATE": 14, "IRQFD": 32, "IOEVENTFD": 36, "ONE_REG": 70, "DEVICE_CTRL": 89,
		"ARM_PSCI_0_2": 102,
	},
	"riscv64": {
		"USER_MEMORY": 3, "MP_STATE": 14, "IRQFD": 32, "IOEVENTFD": 36, "ONE_REG": 70, "DEVICE_CTRL": 89,
	},
}

// Report is what was found. An errno is a name, and empty where nothing failed; a step that was not come
// to has the word of the one that failed.
type Report struct {
	Device       string         `json:"device"`
	Arch         string         `json:"arch"`
	Open         string         `json:"open"`
	Version      int            `json:"version"`
	VM           string         `json:"vm"`
	VCPU         string         `json:"vcpu"`
	Capabilities map[string]int `json:"capabilities"`
}

// NotTried is of a step after one that failed.
const NotTried = "not tried"

// Works says whether a program can have a virtual machine.
func (report Report) Works() bool {
	return report.Open == "" && report.Version == Version && report.VM == "" && report.VCPU == ""
}

// Look asks the device at this path.
func Look(path string) Report {
	report := Report{
		Device: path, Arch: runtime.GOARCH, VM: NotTried, VCPU: NotTried, Capabilities: map[string]int{},
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		report.Open = named(err)
		return report
	}
	defer file.Close()
	version, err := call(file.Fd(), getVersion, 0)
	if err != nil {
		report.Open = named(err)
		return report
	}
	report.Version = int(version)
	machine, err := call(file.Fd(), createVM, 0)
	report.VM = named(err)
	if err != nil {
		return report
	}
	defer syscall.Close(int(machine))
	for name, number := range capabilities[runtime.GOARCH] {
		// Asked of the machine where the kernel knows how to, as Firecracker does; else of all.
		value, err := call(machine, checkExtension, number)
		if err != nil {
			value, err = call(file.Fd(), checkExtension, number)
		}
		if err == nil {
			report.Capabilities[name] = int(value)
		}
	}
	cpu, err := call(machine, createVCPU, 0)
	report.VCPU = named(err)
	if err == nil {
		syscall.Close(int(cpu))
	}
	return report
}

func call(file, request, argument uintptr) (uintptr, error) {
	value, _, number := syscall.Syscall(syscall.SYS_IOCTL, file, request, argument)
	if number != 0 {
		return 0, number
	}
	return value, nil
}

var names = map[syscall.Errno]string{
	syscall.EACCES: "EACCES", syscall.EBUSY: "EBUSY", syscall.EINVAL: "EINVAL", syscall.EIO: "EIO",
	syscall.ENODEV: "ENODEV", syscall.ENOENT: "ENOENT", syscall.ENOMEM: "ENOMEM", syscall.ENOTTY: "ENOTTY",
	syscall.ENXIO: "ENXIO", syscall.EOPNOTSUPP: "EOPNOTSUPP", syscall.EPERM: "EPERM",
}

func named(err error) string {
	var number syscall.Errno
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &number):
		return err.Error()
	case names[number] != "":
		return names[number]
	}
	return number.Error()
}
