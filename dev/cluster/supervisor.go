package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// A component that exits too often is not restarted again.
const (
	restartPause = 500 * time.Millisecond
	restartLimit = 10
	restartSpan  = time.Minute
	stopLimit    = 8 * time.Second
)

// supervisor runs components as child processes, restarts those that exit, and stops them in reverse order.
type supervisor struct {
	layout   layout
	spawn    chan func()
	children []*child
	failed   chan error
}

type child struct {
	name     string
	flags    []string
	stopping chan struct{}
	ended    chan struct{}
}

func newSupervisor(l layout) *supervisor {
	s := &supervisor{layout: l, spawn: make(chan func()), failed: make(chan error, 16)}
	go func() {
		// Linux sends a child its parent-death signal when the thread that started it ends, so this thread never ends.
		runtime.LockOSThread()
		for start := range s.spawn {
			start()
		}
	}()
	return s
}

// start runs a component until stop.
func (s *supervisor) start(name string, flags []string) error {
	c := &child{name: name, flags: flags, stopping: make(chan struct{}), ended: make(chan struct{})}
	log := s.layout.log(name)
	_ = os.Rename(log, log+".old") // one previous log is kept
	command, err := s.run(c)
	if err != nil {
		return err
	}
	s.children = append(s.children, c)
	go s.keep(c, command)
	return nil
}

// keep waits for a child and restarts it unless it is being stopped.
func (s *supervisor) keep(c *child, command *exec.Cmd) {
	defer close(c.ended)
	var ends []time.Time
	for {
		done := make(chan error, 1)
		go func() { done <- command.Wait() }()
		var err error
		select {
		case err = <-done:
		case <-c.stopping:
			s.end(command, done)
			return
		}
		ends = append(ends, time.Now())
		if n := len(ends); n >= restartLimit && time.Since(ends[n-restartLimit]) < restartSpan {
			s.failed <- fmt.Errorf("%s ended %d times within a minute (%v); its log is %s", c.name, restartLimit, err, s.layout.log(c.name))
			return
		}
		select {
		case <-time.After(restartPause):
		case <-c.stopping:
			return
		}
		if command, err = s.run(c); err != nil {
			s.failed <- err
			return
		}
	}
}

func (s *supervisor) end(command *exec.Cmd, done <-chan error) {
	_ = command.Process.Signal(syscall.SIGTERM)
	select {
	case <-done:
	case <-time.After(stopLimit):
		_ = command.Process.Kill()
		<-done
	}
}

func (s *supervisor) run(c *child) (*exec.Cmd, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	output, err := os.OpenFile(s.layout.log(c.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close() // the child has its own
	command := exec.Command(own, append([]string{c.name}, c.flags...)...)
	command.Stdout, command.Stderr = output, output
	command.Dir = s.layout.dir
	command.Env = append(os.Environ(), "KWOK_WORKDIR="+s.layout.file("kwok"), "HOME="+s.layout.dir)
	// Its own process group: Ctrl-C in a terminal then reaches only the supervisor, which stops them in order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	s.spawn <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	pid := strconv.Itoa(command.Process.Pid) + "\n"
	return command, os.WriteFile(s.layout.file("log", c.name+".pid"), []byte(pid), 0o600)
}

// stop ends all components in reverse order.
func (s *supervisor) stop() {
	for i := len(s.children) - 1; i >= 0; i-- {
		close(s.children[i].stopping)
		<-s.children[i].ended
		_ = os.Remove(s.layout.file("log", s.children[i].name+".pid"))
	}
}

// wait returns when ctx ends (nil) or when a component cannot be kept running.
func (s *supervisor) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// until calls check every few milliseconds until it returns nil, or until a component fails.
func (s *supervisor) until(ctx context.Context, what string, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("not asked yet")
	for {
		// While it starts, an API server can accept a connection without answering.
		short, done := context.WithTimeout(ctx, 2*time.Second)
		err := check(short)
		done()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%s: gave up: %w (logs: %s)", what, last, s.layout.file("log"))
		case <-tick.C:
		}
	}
}
