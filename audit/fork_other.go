//go:build !linux

package audit

import "syscall"

// forkGuard tells a forked child from the process that made it.
type forkGuard struct{ pid int }

func newForkGuard() *forkGuard { return &forkGuard{pid: syscall.Getpid()} }

func (g *forkGuard) forked() bool { return g.pid != syscall.Getpid() }
