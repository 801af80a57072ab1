package main

import (
	"crypto"
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

type files struct {
	caCert, caKey, serverCert, serverKey, adminCert, adminKey, accountKey string
	etcdData                                                              string
	// For this process, past any proxy.
	localKubeconfig string
}

// ensureFiles makes what is missing: certificates outlive a restart, so that
// clients that were told of them come back.
func ensureFiles(directory string, address net.IP, localURL, serverURL string) (*files, error) {
	at := func(name string) string { return filepath.Join(directory, name) }
	f := &files{
		caCert: at("ca.crt"), caKey: at("ca.key"),
		serverCert: at("server.crt"), serverKey: at("server.key"),
		adminCert: at("admin.crt"), adminKey: at("admin.key"),
		accountKey: at("service-account.key"), etcdData: at("etcd"),
		localKubeconfig: at("local.kubeconfig"),
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	if _, err := os.Stat(f.accountKey); err != nil {
		if err := f.makeKeys(address); err != nil {
			return nil, err
		}
	}
	if err := f.writeKubeconfig(f.localKubeconfig, localURL); err != nil {
		return nil, err
	}
	return f, f.writeKubeconfig(at("admin.kubeconfig"), serverURL)
}

func (f *files) makeKeys(address net.IP) error {
	caTemplate := template("l4lb test CA")
	caTemplate.IsCA = true
	caTemplate.BasicConstraintsValid = true
	caTemplate.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	ca, caKey, err := issue(caTemplate, nil, nil, f.caCert, f.caKey)
	if err != nil {
		return err
	}
	server := template("kube-apiserver")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4(10, 96, 0, 1), address}
	if _, _, err := issue(server, ca, caKey, f.serverCert, f.serverKey); err != nil {
		return err
	}
	admin := template("admin")
	admin.Subject.Organization = []string{"system:masters"}
	admin.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, _, err := issue(admin, ca, caKey, f.adminCert, f.adminKey); err != nil {
		return err
	}
	// Last: its presence says that the rest is complete.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return writeKey(f.accountKey, key)
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(365 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// issue signs by the parent, or by the new key itself without one.
func issue(template, parent *x509.Certificate, parentKey crypto.Signer, certFile, keyFile string) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(certFile, encoded, 0o600); err != nil {
		return nil, nil, err
	}
	if err := writeKey(keyFile, key); err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, key, err
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func (f *files) writeKubeconfig(file, url string) error {
	var data [3]string
	for index, name := range []string{f.caCert, f.adminCert, f.adminKey} {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		data[index] = base64.StdEncoding.EncodeToString(content)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: admin
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: test
  context:
    cluster: test
    user: admin
current-context: test
`, url, data[0], data[1], data[2])
	return os.WriteFile(file, []byte(text), 0o600)
}
