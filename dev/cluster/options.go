package main

import (
	"path/filepath"

	"github.com/spf13/pflag"
)

type options struct {
	dir    string
	detach bool
}

func parse(args []string) options {
	var o options
	flags := pflag.NewFlagSet("cluster", pflag.ExitOnError)
	flags.StringVar(&o.dir, "dir", "", "folder for state, logs and admin.kubeconfig")
	flags.BoolVar(&o.detach, "detach", false, "return once the cluster is ready")
	_ = flags.Parse(args) // exits on an error
	if o.dir == "" || flags.NArg() > 0 {
		fail(usage)
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		fail(err.Error())
	}
	o.dir = dir
	return o
}
