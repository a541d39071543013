package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"warder/proxy/embedded"
)

// connect runs `check --connect` with a configuration.
func connect(t *testing.T, cluster *embedded.Cluster, upstream string) outcome {
	t.Helper()
	file := filepath.Join(t.TempDir(), "warder.yaml")
	text := fmt.Sprintf("upstream: {bootstrap: [%s]%s}\n", cluster.Bootstrap(), upstream)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return warder(t, nil, "check", "--config", file, "--connect")
}

func secret(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A cluster that wants authentication is no failure: warder passes it through.
func TestCheckOfAClusterWithSASL(t *testing.T) {
	login := scram.Auth{User: "ops", Pass: "right"}
	cluster, err := embedded.Start(t.Context(), embedded.Options{
		Kfake:  []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "ops", "right")},
		Client: []kgo.Opt{kgo.SASL(login.AsSha512Mechanism())},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	none := connect(t, cluster, "")
	if none.status != 0 || !strings.Contains(none.stderr, "want clients to authenticate (") || !strings.Contains(none.stderr, "SCRAM-SHA-512") {
		t.Errorf("without credentials: %+v", none)
	}
	right := connect(t, cluster, ", lookup: {username: ops, password_file: "+secret(t, "right\n")+"}")
	if right.status != 0 || !strings.Contains(right.stdout, "127.0.0.1:9093") {
		t.Errorf("with credentials: %+v", right)
	}
	wrong := connect(t, cluster, ", lookup: {username: ops, password_file: "+secret(t, "wrong\n")+"}")
	if wrong.status != 1 || !strings.Contains(wrong.stderr, "refuse the user name, password or mechanism of upstream.lookup") {
		t.Errorf("with a wrong password: %+v", wrong)
	}
}

// Mistakes with TLS are named as what they are.
func TestCheckOfAClusterWithTLS(t *testing.T) {
	certificate, ca := selfSigned(t)
	_, other := selfSigned(t)
	pool := x509.NewCertPool()
	pool.AddCert(certificate.Leaf)
	encrypted, err := embedded.Start(t.Context(), embedded.Options{
		TLS:    &tls.Config{Certificates: []tls.Certificate{certificate}},
		Client: []kgo.Opt{kgo.DialTLSConfig(&tls.Config{RootCAs: pool})},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer encrypted.Close()
	plain, err := embedded.Start(t.Context(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for name, c := range map[string]struct {
		cluster  *embedded.Cluster
		upstream string
		status   int
		says     string
	}{
		"right":              {encrypted, ", tls: {ca: " + ca + "}", 0, "valid"},
		"plaintext to TLS":   {encrypted, "", 1, "if that is a TLS port, set upstream.tls"},
		"TLS to plaintext":   {plain, ", tls: {ca: " + ca + "}", 1, "The broker does not speak TLS on that port"},
		"unknown authority":  {encrypted, ", tls: {ca: " + other + "}", 1, "Set upstream.tls.ca"},
		"system authorities": {encrypted, ", tls: {}", 1, "Set upstream.tls.ca"},
		"another name":       {encrypted, ", tls: {ca: " + ca + ", server_name: kafka.example}", 1, "set upstream.tls.server_name"},
	} {
		got := connect(t, c.cluster, c.upstream)
		if got.status != c.status || !strings.Contains(got.stderr, c.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// selfSigned makes a certificate for 127.0.0.1 and a file that trusts it.
func selfSigned(t *testing.T) (pair tls.Certificate, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, secret(t, string(text))
}
