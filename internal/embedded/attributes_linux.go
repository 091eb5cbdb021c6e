package embedded

import "syscall"

// childAttributes puts the child in a process group of its own, so that Ctrl-C in a terminal reaches only the
// parent, which then stops the child in order; and has the kernel kill the child when the parent dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
