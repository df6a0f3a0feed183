// Package pki creates the keys and certificates of one cluster: an authority, the API server's certificate,
// one for each client, and the key that signs service account tokens.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Longer than any such cluster exists.
const lifetime = 10 * 365 * 24 * time.Hour

// Client is an API client; RBAC sees its Groups.
type Client struct {
	Name   string
	User   string
	Groups []string
}

// Authority signs certificates.
type Authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority creates an authority and writes NAME.crt into dir. Its key is never written, because nothing is signed later.
func NewAuthority(dir, name string) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := base(name)
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{dir, certificate, key}, writePEM(filepath.Join(dir, name+".crt"), "CERTIFICATE", der)
}

// Server writes NAME.crt and NAME.key for a server on this machine, which may also act as a client.
func (a *Authority) Server(name string, addresses []net.IP, hosts ...string) error {
	template := base(name)
	template.IPAddresses = append([]net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, addresses...)
	template.DNSNames = append([]string{"localhost"}, hosts...)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return a.sign(name, template)
}

// Client writes NAME.crt and NAME.key.
func (a *Authority) Client(client Client) error {
	template := base(client.User)
	template.Subject.Organization = client.Groups
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.sign(client.Name, template)
}

func (a *Authority) sign(name string, template *x509.Certificate) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(a.dir, name+".crt"), "CERTIFICATE", der); err != nil {
		return err
	}
	return writeKey(filepath.Join(a.dir, name+".key"), key)
}

// SigningKey writes a key without a certificate.
func SigningKey(path string) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	return writeKey(path, key)
}

// WriteKubeconfig writes a self-contained kubeconfig: authority is a certificate file, client a path
// without .crt and .key.
func WriteKubeconfig(path, server, cluster, authority, client string) error {
	encoded := make([]any, 0, 3)
	for _, file := range []string{authority, client + ".crt", client + ".key"} {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		encoded = append(encoded, base64.StdEncoding.EncodeToString(content))
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: %[2]s, cluster: {server: %[1]q, certificate-authority-data: %[4]s}}]
users: [{name: %[3]s, user: {client-certificate-data: %[5]s, client-key-data: %[6]s}}]
contexts: [{name: %[2]s, context: {cluster: %[2]s, user: %[3]s}}]
current-context: %[2]s
`, append([]any{server, cluster, filepath.Base(client)}, encoded...)...)
	return writeFile(path, []byte(text))
}

func base(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the system's random source never fails on Linux
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-time.Hour), // clocks may differ between a machine and its containers
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// writeFile replaces a file atomically, readable by its owner only.
func writeFile(path string, content []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
