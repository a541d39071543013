package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certs names PEM files: one authority, a server and a client certificate of it. Keys are unencrypted PKCS#8. ServerStore is the
// server's key and chain in one file, as a broker's PEM key store wants them.
type Certs struct {
	CA, ServerCert, ServerKey, ServerStore, ClientCert, ClientKey string
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// MakeCerts writes a new authority and its certificates, for localhost and 127.0.0.1, into dir.
func MakeCerts(dir string) (Certs, error) {
	c := Certs{
		CA: filepath.Join(dir, "ca.pem"), ServerCert: filepath.Join(dir, "server.pem"), ServerKey: filepath.Join(dir, "server-key.pem"),
		ServerStore: filepath.Join(dir, "server-store.pem"), ClientCert: filepath.Join(dir, "client.pem"), ClientKey: filepath.Join(dir, "client-key.pem"),
	}
	ca, caPEM, _, err := issue("warder e2e authority", nil)
	if err != nil {
		return c, err
	}
	_, serverPEM, serverKey, err := issue("localhost", ca)
	if err != nil {
		return c, err
	}
	_, clientPEM, clientKey, err := issue("e2e-client", ca)
	if err != nil {
		return c, err
	}
	for file, content := range map[string][]byte{
		c.CA: caPEM, c.ServerCert: serverPEM, c.ServerKey: serverKey, c.ClientCert: clientPEM, c.ClientKey: clientKey,
		c.ServerStore: append(append([]byte(nil), serverKey...), serverPEM...),
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return c, err
		}
	}
	return c, nil
}

// issue makes a key and its certificate, signed by ca, or by itself as an authority when ca is nil.
func issue(name string, ca *authority) (*authority, []byte, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return nil, nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), BasicConstraintsValid: true,
	}
	parent, signer := t, key
	if ca == nil {
		t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign
	} else {
		parent, signer = ca.cert, ca.key
		t.KeyUsage = x509.KeyUsageDigitalSignature
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		t.DNSNames, t.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return &authority{cert, key}, certPEM, keyPEM, nil
}
