//go:build !linux

package agent

import "os"

// volatileDir is empty: the tally lies beside the spool.
const volatileDir = ""

// ownProgram is the file of what runs here; empty when the system does not tell, and then it cannot be run.
func ownProgram() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

// alive takes a process at its word: a status that is old says that it is not.
func alive(int) bool { return true }

// kernelRelease is empty: this system is not asked.
func kernelRelease() string { return "" }
