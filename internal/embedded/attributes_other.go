//go:build !linux

package embedded

import "syscall"

// childAttributes puts the child in a process group of its own, so that Ctrl-C in a terminal reaches only the
// parent, which then stops the child in order. The lifeline alone ends the child of a parent that died.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
