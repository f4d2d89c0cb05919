package command

import (
	"strconv"
)

// Class says how much harm a command could do; it decides who must sign.
type Class uint8

// The classes (architecture.md §4).
const (
	C0 Class = iota // read
	C1              // reversible
	C2              // collect content
	C3              // run code
	C4              // irreversible or wide
)

// String gives "C0" to "C4".
func (c Class) String() string { return "C" + strconv.Itoa(int(c)) }

// Verb says what to do.
type Verb string

// The verbs.
const (
	ListProcesses Verb = "list-processes"
	Isolate       Verb = "isolate"
	Release       Verb = "release"
	Maintenance   Verb = "maintenance"
	Kill          Verb = "kill"
	Suspend       Verb = "suspend"
	Resume        Verb = "resume"
	Quarantine    Verb = "quarantine"
	Restore       Verb = "restore"
	Block         Verb = "block"
	Unblock       Verb = "unblock"
	CollectFile   Verb = "collect-file"
	CollectMemory Verb = "collect-memory"
	CollectTriage Verb = "collect-triage"
	Shell         Verb = "shell"
	Script        Verb = "script"
	Delete        Verb = "delete"
	Uninstall     Verb = "uninstall"
	Reboot        Verb = "reboot"
)

func (v Verb) class() (Class, bool) {
	switch v {
	case ListProcesses:
		return C0, true
	case Isolate, Release, Maintenance, Kill, Suspend, Resume, Quarantine, Restore, Block, Unblock:
		return C1, true
	case CollectFile, CollectMemory, CollectTriage:
		return C2, true
	case Shell, Script:
		return C3, true
	case Delete, Uninstall, Reboot:
		return C4, true
	}
	return 0, false
}

func (v Verb) known() bool { _, ok := v.class(); return ok }

// Inverse gives the verb that undoes v; empty when nothing does. A killed process stays dead: kill counts
// as reversible because the program can be started again.
func (v Verb) Inverse() Verb {
	switch v {
	case Isolate:
		return Release
	case Suspend:
		return Resume
	case Quarantine:
		return Restore
	case Block:
		return Unblock
	default:
		return ""
	}
}

// ClassOf gives the class of a verb on that many hosts; more than hostCap make any act that changes
// something wide (C4).
func ClassOf(v Verb, hosts, hostCap int) (Class, error) {
	c, ok := v.class()
	if !ok {
		return 0, flawf("verb %q is not one this version knows", v)
	}
	if c > C0 && hosts > hostCap {
		return C4, nil
	}
	return c, nil
}
