// Package ports picks the cluster's loopback ports and stores them, so that kubeconfigs stay valid.
package ports

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
)

// Below Linux's range of ephemeral ports, which could otherwise take a port while the cluster is down.
const (
	lowest  = 20000
	highest = 32000
)

// Pick returns a free port for each name: those in the file at path if they are free, otherwise new ones,
// which it writes there.
func Pick(path string, names ...string) (map[string]int, error) {
	picked := map[string]int{}
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &picked)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	taken := map[int]bool{}
	for _, name := range names {
		if port := picked[name]; port == 0 || taken[port] || !free(port) {
			if picked[name], err = random(taken); err != nil {
				return nil, err
			}
		}
		taken[picked[name]] = true
	}
	if content, err = json.Marshal(picked); err != nil {
		return nil, err
	}
	return picked, os.WriteFile(path, append(content, '\n'), 0o600)
}

func random(taken map[int]bool) (int, error) {
	for range 1000 {
		if port := lowest + rand.IntN(highest-lowest); !taken[port] && free(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d", lowest, highest)
}

func free(port int) bool {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
