package ports

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestPortsAreStableBetweenRuns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ports.json")
	first := pick(t, file, "api", "etcd")
	second := pick(t, file, "api", "etcd")
	if first["api"] == first["etcd"] || first["api"] != second["api"] || first["etcd"] != second["etcd"] {
		t.Errorf("first %v, then %v", first, second)
	}
}

func TestTakenPortAloneIsReplacedAndStored(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ports.json")
	first := pick(t, file, "api", "etcd")
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first["api"]))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	second := pick(t, file, "api", "etcd")
	if second["api"] == first["api"] || second["etcd"] != first["etcd"] {
		t.Errorf("first %v, then %v", first, second)
	}
	if third := pick(t, file, "api"); third["api"] != second["api"] {
		t.Errorf("%v was not remembered: %v", second, third)
	}
}

func TestErrorNamesDamagedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ports.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Pick(file, "api"); err == nil {
		t.Error("it was taken for a file without ports")
	}
}

func pick(t *testing.T, file string, names ...string) map[string]int {
	t.Helper()
	picked, err := Pick(file, names...)
	if err != nil {
		t.Fatal(err)
	}
	return picked
}
