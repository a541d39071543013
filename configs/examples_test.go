package configs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// certificate writes a self-signed certificate and its key.
func certificate(t *testing.T, cert, key string, until time.Time) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "warder"}, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder})))
}

// Every shipped example loads, beside the files that it names. Whether rules understand what it tells them is seen in
// test/house.
func TestExamplesLoad(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) // before the suppressions in them end
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	certificate(t, at("server.pem"), at("server-key.pem"), now.Add(time.Hour))
	certificate(t, at("brokers-ca.pem"), at("x.pem"), now.Add(time.Hour))
	certificate(t, at("clients-ca.pem"), at("y.pem"), now.Add(time.Hour))
	write(t, at("lookup-password"), "secret\n")
	write(t, at("admin-token"), "secret\n")
	for _, name := range examples(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, at(name), string(data))
		c, err := Load(at(name), nil, Overrides{Now: func() time.Time { return now }})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.Warnings) != 0 {
			t.Errorf("%s: %v", name, c.Warnings)
		}
	}
}

// The smallest example says nothing that `--upstream` alone does not.
func TestMinimalExampleIsUpstreamAlone(t *testing.T) {
	file, err := Load("minimal.yaml", nil, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	flag, err := Load("", nil, Overrides{Flags: []Flag{{"--upstream", "upstream.bootstrap", "kafka-1:9092"}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(flag.Effective(), file.Effective()); diff != "" {
		t.Error(diff)
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	cert, key, other := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"), filepath.Join(dir, "o.pem")
	certificate(t, cert, key, time.Now().Add(time.Hour))
	certificate(t, other, other+"k", time.Now().Add(time.Hour))
	load := func(cert, key, ca string, now time.Time) (*Config, error) {
		text := "upstream: {bootstrap: [a:1]}\nlisteners: [{tls: {cert: " + cert + ", key: " + key + ", client_auth: require, client_ca: " + ca + "}}]\n"
		return Parse("", []byte(text), nil, Overrides{Now: func() time.Time { return now }})
	}
	if c, err := load(cert, key, other, time.Now()); err != nil || len(c.Warnings) != 0 {
		t.Errorf("a good pair: %v", err)
	}
	if c, err := load(cert, key, other, time.Now().Add(2*time.Hour)); err != nil || len(c.Warnings) != 1 {
		t.Errorf("an expired pair is a warning: %v", err)
	}
	if _, err := load(cert, other+"k", other, time.Now()); err == nil {
		t.Error("a key of another certificate was accepted")
	}
	if _, err := load(cert, key, key, time.Now()); err == nil {
		t.Error("authorities without a certificate were accepted")
	}
}
