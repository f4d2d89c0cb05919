package eventstore

import "syscall"

// dieWithParent makes the kernel end a worker with its server. The worker also ends at the end of its
// stdin: the signal is tied to the thread that started it, and a thread may end earlier.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
