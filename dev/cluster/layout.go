package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"storeplane.dev/cluster/pki"
	"storeplane.dev/cluster/ports"
)

const clusterName = "storeplane"

// layout is one cluster's folder and ports.
type layout struct {
	dir   string
	ports map[string]int
}

func (l layout) file(parts ...string) string {
	return filepath.Join(append([]string{l.dir}, parts...)...)
}
func (l layout) pki(name string) string  { return l.file("pki", name) }
func (l layout) log(name string) string  { return l.file("log", name+".log") }
func (l layout) adminKubeconfig() string { return l.file("admin.kubeconfig") }
func (l layout) kubeconfig(client string) string {
	return l.file("pki", client+".kubeconfig")
}
func (l layout) server() string { return fmt.Sprintf("https://127.0.0.1:%d", l.ports["api"]) }
func (l layout) etcd() string   { return fmt.Sprintf("https://127.0.0.1:%d", l.ports["etcd"]) }
func (l layout) peer() string   { return fmt.Sprintf("https://127.0.0.1:%d", l.ports["peer"]) }

// prepare creates whatever is missing in dir: folders, keys, ports, kubeconfigs.
func prepare(dir string) (layout, error) {
	l := layout{dir: dir}
	for _, name := range []string{"pki", "log", "kwok"} {
		if err := os.MkdirAll(l.file(name), 0o700); err != nil {
			return l, err
		}
	}
	var err error
	if l.ports, err = ports.Pick(l.file("ports.json"), "api", "etcd", "peer"); err != nil {
		return l, err
	}
	if err := l.identities(); err != nil {
		return l, err
	}
	for _, client := range []string{"controllers", "scheduler", "nodes"} {
		if err := l.writeKubeconfig(l.kubeconfig(client), client); err != nil {
			return l, err
		}
	}
	if err := os.WriteFile(l.file("kwok", "stages.yaml"), stages, 0o600); err != nil {
		return l, err
	}
	return l, l.writeKubeconfig(l.adminKubeconfig(), "admin")
}

func (l layout) writeKubeconfig(path, client string) error {
	return pki.WriteKubeconfig(path, l.server(), clusterName, l.pki("ca.crt"), l.pki(client))
}

// identities creates all keys once; an interrupted run starts over.
func (l layout) identities() error {
	done := l.pki("done")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	store, err := pki.NewAuthority(l.file("pki"), "etcd-ca")
	if err != nil {
		return err
	}
	if err := store.Server("etcd", nil); err != nil {
		return err
	}
	if err := store.Client(pki.Client{Name: "etcd-client", User: "kube-apiserver"}); err != nil {
		return err
	}
	authority, err := pki.NewAuthority(l.file("pki"), "ca")
	if err != nil {
		return err
	}
	err = authority.Server("api", []net.IP{net.ParseIP(firstServiceAddress)}, "kubernetes", "kubernetes.default", "kubernetes.default.svc")
	if err != nil {
		return err
	}
	for _, client := range []pki.Client{
		{Name: "admin", User: "admin", Groups: []string{"system:masters"}},
		{Name: "controllers", User: "system:kube-controller-manager"},
		{Name: "scheduler", User: "system:kube-scheduler"},
		{Name: "nodes", User: "kwok", Groups: []string{"system:masters"}},
	} {
		if err := authority.Client(client); err != nil {
			return err
		}
	}
	if err := pki.SigningKey(l.pki("service-accounts.key")); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o600)
}
