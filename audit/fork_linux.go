package audit

import (
	"runtime"
	"syscall"
)

// madvWipeOnFork has the kernel hand zeroed pages to a forked child (Linux 4.14).
const madvWipeOnFork = 18

// forkGuard is a page that holds 1 in the process that made it and 0 in a forked
// child: asking costs a load where getpid would cost a system call.
type forkGuard struct{ page []byte }

func newForkGuard() *forkGuard {
	page, err := syscall.Mmap(-1, 0, syscall.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return &forkGuard{}
	}
	g := &forkGuard{page: page}
	runtime.AddCleanup(g, func(page []byte) { _ = syscall.Munmap(page) }, page)
	if syscall.Madvise(page, madvWipeOnFork) == nil {
		page[0] = 1
	} else {
		g.page = nil
	}
	return g
}

func (g *forkGuard) forked() bool { return g.page != nil && g.page[0] == 0 }
