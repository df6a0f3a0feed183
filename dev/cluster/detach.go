package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// Environment variable with the file descriptor on which a detached supervisor reports until it is ready.
const reportVariable = "STOREPLANE_CLUSTER_REPORT"

// upDetached starts `up` in its own session, shows its progress, and returns once it is ready.
func upDetached(dir string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "log"), 0o700); err != nil {
		return err
	}
	output, err := os.OpenFile(layout{dir: dir}.log("cluster"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	command := exec.Command(own, "up", "--dir", dir)
	command.Stdout, command.Stderr = output, output
	command.ExtraFiles = []*os.File{writer}
	command.Env = append(os.Environ(), reportVariable+"=3")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return err
	}
	writer.Close()
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		if lines.Text() == "" {
			return nil
		}
		fmt.Fprintln(os.Stderr, "cluster: "+lines.Text())
	}
	if err := command.Wait(); err == nil {
		return errors.New("stopped while starting")
	}
	return fmt.Errorf("it did not start: %s says why", output.Name())
}

// announcer shows progress on stderr and reports it to the parent of a detached supervisor; an empty line means ready.
func announcer() func(string) {
	descriptor, err := strconv.Atoi(os.Getenv(reportVariable))
	os.Unsetenv(reportVariable)
	if err != nil {
		return func(line string) {
			if line != "" {
				fmt.Fprintln(os.Stderr, "cluster: "+line)
			}
		}
	}
	syscall.CloseOnExec(descriptor) // otherwise a component would keep the pipe open
	report := os.NewFile(uintptr(descriptor), "report")
	return func(line string) {
		fmt.Fprintln(os.Stderr, line)
		fmt.Fprintln(report, line) // fails harmlessly if nobody is waiting
		if line == "" {
			report.Close()
		}
	}
}
