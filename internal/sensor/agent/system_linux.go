package agent

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// DefaultFile is where the configuration is looked for when no --config names one.
	DefaultFile = "/etc/yagura/sensor.yaml"
	// volatileDir is where the spool's tally lies when it is in memory: a store into it never waits for a disk.
	volatileDir = "/run/yagura-sensor"
)

// ownProgram is what runs here, also when its file was replaced meanwhile.
func ownProgram() string { return "/proc/self/exe" }

// alive says whether there is a process of that number.
func alive(pid int) bool {
	_, err := os.Stat("/proc/" + strconv.Itoa(pid))
	return err == nil
}

// kernelRelease is the version of the kernel; empty when it does not tell.
func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
