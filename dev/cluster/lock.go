package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// errHeld means that a running process holds the cluster's lock.
var errHeld = errors.New("held by another process")

// lock is held by the process that runs the cluster in a folder. The kernel releases it when that process ends, for any
// reason, and knows the holder, so there is no stale pid file.
type lock struct{ file *os.File }

func acquire(dir string) (lock, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return lock{}, err
	}
	err = unix.FcntlFlock(file.Fd(), unix.F_SETLK, whole())
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		err = errHeld
	}
	if err != nil {
		file.Close()
	}
	return lock{file}, err
}

func (l lock) release() { l.file.Close() }

// holder returns the process that runs the cluster in dir, or 0.
func holder(dir string) (int, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	asked := whole()
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, asked); err != nil {
		return 0, err
	}
	if asked.Type == unix.F_UNLCK {
		return 0, nil
	}
	return int(asked.Pid), nil
}

func whole() *unix.Flock_t { return &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart} }
