package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCertificatesAreValidForTheirAuthorityOnly(t *testing.T) {
	dir := t.TempDir()
	ours, err := NewAuthority(dir, "ca")
	must(t, err)
	_, err = NewAuthority(dir, "other")
	must(t, err)
	must(t, ours.Server("api", []net.IP{net.IPv4(10, 0, 0, 1)}, "kubernetes"))
	must(t, ours.Client(Client{Name: "admin", User: "somebody", Groups: []string{"system:masters"}}))

	for _, name := range []string{"127.0.0.1", "10.0.0.1", "localhost", "kubernetes"} {
		must(t, verify(t, dir, "api", "ca", x509.VerifyOptions{DNSName: name}))
	}
	admin := x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	must(t, verify(t, dir, "admin", "ca", admin))
	if verify(t, dir, "admin", "other", admin) == nil {
		t.Error("another authority accepts the client")
	}
	if verify(t, dir, "admin", "ca", x509.VerifyOptions{}) == nil {
		t.Error("a client's certificate passes for a server's")
	}
	subject := load(t, dir, "admin").Subject
	if subject.CommonName != "somebody" || strings.Join(subject.Organization, ",") != "system:masters" {
		t.Errorf("RBAC would see %v", subject)
	}
}

func TestKeysAreReadableByOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	authority, err := NewAuthority(dir, "ca")
	must(t, err)
	must(t, authority.Client(Client{Name: "admin", User: "admin"}))
	must(t, SigningKey(filepath.Join(dir, "sa.key")))
	must(t, WriteKubeconfig(filepath.Join(dir, "admin.kubeconfig"), "https://127.0.0.1:1", "c", filepath.Join(dir, "ca.crt"), filepath.Join(dir, "admin")))
	for _, name := range []string{"admin.key", "sa.key", "admin.kubeconfig"} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "ca.key")); !os.IsNotExist(err) {
		t.Error("the authority's key was written")
	}
}

func load(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
	must(t, err)
	certificate, err := x509.ParseCertificate(pair.Certificate[0])
	must(t, err)
	return certificate
}

func verify(t *testing.T, dir, name, authority string, options x509.VerifyOptions) error {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, authority+".crt"))
	must(t, err)
	options.Roots = x509.NewCertPool()
	options.Roots.AppendCertsFromPEM(content)
	_, err = load(t, dir, name).Verify(options)
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
