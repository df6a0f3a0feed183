package main

import "strconv"

const (
	serviceRange        = "10.96.0.0/16"
	firstServiceAddress = "10.96.0.1"
)

// etcdFlags: nothing is synced to disk, because a simulated cluster may be lost in a power failure.
func (l layout) etcdFlags() []string {
	return []string{
		"--data-dir", l.file("etcd"),
		"--listen-client-urls", l.etcd(), "--advertise-client-urls", l.etcd(),
		"--listen-peer-urls", l.peer(), "--initial-advertise-peer-urls", l.peer(), "--initial-cluster", "default=" + l.peer(),
		"--client-cert-auth", "--trusted-ca-file", l.pki("etcd-ca.crt"), "--cert-file", l.pki("etcd.crt"), "--key-file", l.pki("etcd.key"),
		"--peer-client-cert-auth", "--peer-trusted-ca-file", l.pki("etcd-ca.crt"), "--peer-cert-file", l.pki("etcd.crt"), "--peer-key-file", l.pki("etcd.key"),
		"--unsafe-no-fsync", "--quota-backend-bytes", strconv.Itoa(4 << 30),
		"--auto-compaction-mode", "periodic", "--auto-compaction-retention", "10m", "--log-level", "warn",
	}
}

// apiserverFlags: no endpoint reconciler, because nothing in the cluster calls the API server by its service. Privileged
// pods are allowed here so that Pod Security rejects them, as in other clusters; otherwise not even their Deployment could be stored.
func (l layout) apiserverFlags() []string {
	return []string{
		"--etcd-servers", l.etcd(),
		"--etcd-cafile", l.pki("etcd-ca.crt"), "--etcd-certfile", l.pki("etcd-client.crt"), "--etcd-keyfile", l.pki("etcd-client.key"),
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none",
		"--secure-port", strconv.Itoa(l.ports["api"]),
		"--tls-cert-file", l.pki("api.crt"), "--tls-private-key-file", l.pki("api.key"), "--client-ca-file", l.pki("ca.crt"),
		"--service-account-key-file", l.pki("service-accounts.key"), "--service-account-signing-key-file", l.pki("service-accounts.key"),
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--allow-privileged", "--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction",
		"--service-cluster-ip-range", serviceRange,
		"--max-requests-inflight", "800", "--max-mutating-requests-inflight", "400",
		"--profiling=false",
	}
}

// There is one instance of each component, so leader election would only take time.
func single(kubeconfig string) []string {
	return []string{
		"--kubeconfig", kubeconfig, "--leader-elect=false", "--secure-port", "0", "--profiling=false",
		"--kube-api-qps", "400", "--kube-api-burst", "800",
	}
}

// controllersFlags: a simulated node is late only if this machine is, so its pods are never evicted.
func (l layout) controllersFlags() []string {
	return append(single(l.kubeconfig("controllers")),
		"--use-service-account-credentials", "--service-account-private-key-file", l.pki("service-accounts.key"),
		"--root-ca-file", l.pki("ca.crt"), "--controllers", "*,-namespace-controller", // see deleteNamespaces
		"--node-monitor-grace-period", "24h")
}

func (l layout) schedulerFlags() []string { return single(l.kubeconfig("scheduler")) }

func (l layout) nodesFlags() []string {
	return []string{
		"--kubeconfig", l.kubeconfig("nodes"), "--manage-nodes-with-annotation-selector", simulatedAnnotation + "=" + simulatedValue,
		"--config", l.file("kwok", "stages.yaml"), "--v", "WARN",
	}
}
