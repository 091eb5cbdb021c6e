//go:build unix

package demo

import (
	"os/exec"
	"syscall"
)

// detach keeps the terminal's Ctrl-C from the child: the demo stops its hops in order.
func detach(child *exec.Cmd) { child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
