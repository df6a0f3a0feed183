package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// errStopped is the result of a cancelled start.
var errStopped = errors.New("stopped")

// up runs the cluster until a signal. If another process runs it, up waits until it is ready and returns.
func up(dir string, announce func(string)) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock, err := acquire(dir)
	if errors.Is(err, errHeld) {
		return awaitOther(dir, announce)
	}
	if err != nil {
		return err
	}
	defer lock.release()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	l, err := prepare(dir)
	if err != nil {
		return err
	}
	_ = os.Remove(l.file("ready"))
	s := newSupervisor(l)
	defer s.stop()
	began := time.Now()
	if err := begin(ctx, s, announce); err != nil {
		if ctx.Err() != nil {
			return errStopped
		}
		return err
	}
	if err := os.WriteFile(l.file("ready"), nil, 0o600); err != nil {
		return err
	}
	defer os.Remove(l.file("ready"))
	announce(fmt.Sprintf("ready after %.1f s: real Kubernetes API, simulated nodes; %s", time.Since(began).Seconds(), l.adminKubeconfig()))
	announce("")
	return s.wait(ctx)
}

// begin starts the components, each one once its dependencies answer.
func begin(ctx context.Context, s *supervisor, announce func(string)) error {
	l := s.layout
	announce("starting etcd and the API server")
	if err := s.start("etcd", l.etcdFlags()); err != nil {
		return err
	}
	if err := s.start("apiserver", l.apiserverFlags()); err != nil {
		return err
	}
	api, err := connect(l.adminKubeconfig())
	if err != nil {
		return err
	}
	if err := s.until(ctx, "API server", time.Minute, api.ready); err != nil {
		return err
	}
	announce("starting controllers, scheduler and simulated nodes")
	for _, component := range []struct {
		name  string
		flags []string
	}{{"controllers", l.controllersFlags()}, {"scheduler", l.schedulerFlags()}, {"nodes", l.nodesFlags()}} {
		if err := s.start(component.name, component.flags); err != nil {
			return err
		}
	}
	if err := deleteNamespaces(ctx, l.adminKubeconfig()); err != nil {
		return err
	}
	if err := s.until(ctx, "cluster's objects", time.Minute, api.furnish); err != nil {
		return err
	}
	return s.until(ctx, "controllers and nodes", time.Minute, api.usable)
}

func awaitOther(dir string, announce func(string)) error {
	l := layout{dir: dir}
	announce("it runs already, or somebody is starting it")
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		if answers(l) {
			announce("ready: " + l.adminKubeconfig())
			announce("")
			return nil
		}
		if pid, err := holder(dir); err == nil && pid == 0 {
			return fmt.Errorf("the other start failed; its logs are in %s", l.file("log"))
		}
	}
	return fmt.Errorf("not ready after two minutes; logs are in %s", l.file("log"))
}

// answers does not rely on the marker file: a killed process leaves it behind.
func answers(l layout) bool {
	if _, err := os.Stat(l.file("ready")); err != nil {
		return false
	}
	api, err := connect(l.adminKubeconfig())
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return api.ready(ctx) == nil
}

func down(dir string) error {
	pid, err := holder(dir)
	if err != nil || pid == 0 {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		if now, err := holder(dir); err != nil || now != pid {
			return err
		}
	}
	return fmt.Errorf("process %d did not stop within a minute", pid)
}

func status(dir string) error {
	pid, err := holder(dir)
	if err != nil {
		return err
	}
	l := layout{dir: dir}
	if pid == 0 {
		return errors.New("down")
	}
	if _, err := os.Stat(l.file("ready")); err != nil {
		return fmt.Errorf("starting (process %d)", pid)
	}
	api, err := connect(l.adminKubeconfig())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := api.ready(ctx); err != nil {
		return fmt.Errorf("process %d runs, but the API server does not answer: %w", pid, err)
	}
	fmt.Fprintf(os.Stderr, "up (process %d, simulated nodes): %s\n", pid, l.adminKubeconfig())
	return nil
}
