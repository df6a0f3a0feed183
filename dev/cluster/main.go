// Command cluster is a complete Kubernetes in one binary, for machines without Docker: upstream's etcd, API server,
// controllers and scheduler, and kwok's simulated nodes. `up`, `down` and `status` are the user's commands; the other
// subcommands are the components, which `up` starts as child processes.
package main

import (
	"fmt"
	"os"
)

const usage = `usage: cluster up --dir DIR [--detach]   start it, or find it running; DIR/admin.kubeconfig reaches it
       cluster down --dir DIR            stop it; its state stays
       cluster status --dir DIR          say whether it runs`

func main() {
	if len(os.Args) < 2 {
		fail(usage)
	}
	if run, known := components[os.Args[1]]; known {
		os.Args = os.Args[1:]
		run()
		return
	}
	options := parse(os.Args[2:])
	var err error
	switch os.Args[1] {
	case "up":
		if options.detach {
			err = upDetached(options.dir)
		} else {
			err = up(options.dir, announcer())
		}
	case "down":
		err = down(options.dir)
	case "status":
		err = status(options.dir)
	default:
		fail(usage)
	}
	if err != nil {
		fail("cluster: " + err.Error())
	}
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}
