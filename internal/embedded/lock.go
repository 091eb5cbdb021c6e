package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// How long a lock is waited for: a holder that was just killed needs a moment to let go of it, and so does a
// child whose parent was; a holder that lives keeps it.
const (
	patienceWithLiving = 300 * time.Millisecond
	patienceWithDying  = 10 * time.Second
	lockRetry          = 20 * time.Millisecond
)

// holder is what the lock file says of the process that has the lock.
type holder struct {
	PID    int `json:"pid"`
	Parent int `json:"parent"`
}

// lockDir makes dir and takes its lock, which lasts until the returned file is closed or the process ends,
// however it ends.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := awaitLock(f, dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := writeHolder(f, holder{PID: os.Getpid(), Parent: os.Getppid()}); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", f.Name(), err), f.Close())
	}
	return f, nil
}

func awaitLock(f *os.File, dir string) error {
	tick := time.NewTicker(lockRetry)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		h := readHolder(f.Name())
		if time.Since(began) > h.patience() {
			return fmt.Errorf("%s: %w by process %d, started by process %d", dir, ErrInUse, h.PID, h.Parent)
		}
	}
}

func (h holder) patience() time.Duration {
	if alive(h.PID) && alive(h.Parent) {
		return patienceWithLiving
	}
	return patienceWithDying
}

// alive says whether a process is there, be it another user's.
func alive(pid int) bool {
	return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

func readHolder(path string) holder {
	var h holder
	if text, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(text, &h) // half-written: the holder is just starting, and is unknown until it is done
	}
	return h
}

func writeHolder(f *os.File, h holder) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(text, '\n'), 0)
	return err
}
