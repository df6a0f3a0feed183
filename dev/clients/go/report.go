package main

import (
	"fmt"
	"os"
	"time"
)

// report prints each case in a line, and counts.
type report struct {
	client         string
	passed, failed int
}

func (r *report) run(name string, run func() error) {
	began := time.Now()
	if err := run(); err != nil {
		r.failed++
		text := fmt.Sprint(err)
		fmt.Printf("FAIL  %s: %s: %s\n", r.client, name, text[:min(len(text), 600)])
		return
	}
	r.passed++
	fmt.Printf("ok    %s: %s (%.1f s)\n", r.client, name, time.Since(began).Seconds())
}

func (r *report) end() {
	fmt.Printf("%d passed, %d failed\n", r.passed, r.failed)
	if r.failed > 0 {
		os.Exit(1)
	}
}

func equal(got, expected any) error {
	if fmt.Sprint(got) != fmt.Sprint(expected) {
		return fmt.Errorf("got %v, expected %v", got, expected)
	}
	return nil
}
