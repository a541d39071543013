package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"warder/configs"
	"warder/test/fakebroker"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a.cert, a.key = a.sign("authority", nil, nil, time.Hour)
	a.pool.AddCert(a.cert)
	return a
}

// sign makes a certificate for 127.0.0.1 and writes it as NAME.pem and NAME-key.pem.
func (a *authority) sign(name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, valid time.Duration) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(valid),
		IsCA: parent == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+"-key.pem", "PRIVATE KEY", keyDER)
	return cert, key
}

func (a *authority) write(file, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.path(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) path(file string) string { return filepath.Join(a.dir, file) }

// issue makes a certificate and returns it for use by a test's own end.
func (a *authority) issue(name string, valid time.Duration) tls.Certificate {
	a.t.Helper()
	a.sign(name, a.cert, a.key, valid)
	pair, err := tls.LoadX509KeyPair(a.path(name+".pem"), a.path(name+"-key.pem"))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

// move gives a file the name of another.
func (a *authority) move(from, to string) {
	a.t.Helper()
	if err := os.Rename(a.path(from), a.path(to)); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) server(name, clientAuth string) *configs.ServerTLS {
	a.issue(name, time.Hour)
	s := &configs.ServerTLS{Cert: configs.Path(a.path(name + ".pem")), Key: configs.Path(a.path(name + "-key.pem")), ClientAuth: clientAuth}
	if clientAuth != "none" {
		s.ClientCA = configs.Path(a.path("authority.pem"))
	}
	return s
}

// dialTLS connects to the rig by TLS.
func (r *rig) dialTLS(config *tls.Config) (*fakebroker.Client, *tls.Conn, error) {
	conn, err := tls.Dial("tcp", r.addr(), config)
	if err != nil {
		return nil, nil, err
	}
	return fakebroker.NewClient(r.t, conn), conn, nil
}

func TestTLSOnBothSides(t *testing.T) {
	a := newAuthority(t)
	brokerCert := a.issue("broker", time.Hour)
	a.issue("warder", time.Hour)
	broker := fakebroker.New(t, fakebroker.TLS(&tls.Config{Certificates: []tls.Certificate{brokerCert}, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	broker.Handle(opaque, echo)
	r := newRigAt(t, broker, broker.Addr(), func(c *configs.Config) {
		c.Listeners[0].TLS = a.server("listener", "require")
		c.Upstream.TLS = &configs.ClientTLS{CA: configs.Path(a.path("authority.pem")), Cert: configs.Path(a.path("warder.pem")), Key: configs.Path(a.path("warder-key.pem"))}
	})
	c, _, err := r.dialTLS(&tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{a.issue("app", time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []int{0, 10, 40, windowSize, 5 * windowSize, 1} {
		c.Write(opaqueRequest(int32(i), n))
		if got := c.Next(); got.CorrelationID != int32(i) || len(got.Raw) != 8+n {
			t.Fatalf("answer %d of %d bytes", got.CorrelationID, len(got.Raw))
		}
	}
	if got := r.Clients()[0]; got.TLSSubject != "CN=app" || got.Principal != "User:CN=app" {
		t.Errorf("identity %+v", got)
	}
	if n := testutil.CollectAndCount(r.metrics.certificateExpiry); n != 2 {
		t.Errorf("%d certificates in the metric", n)
	}
}

func TestCertificatesAreReadAgainWithoutClosingConnections(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t, func(c *configs.Config) { c.Listeners[0].TLS = a.server("listener", "none") })
	r.broker.Handle(opaque, echo)
	before, conn, err := r.dialTLS(&tls.Config{RootCAs: a.pool})
	if err != nil {
		t.Fatal(err)
	}
	old := conn.ConnectionState().PeerCertificates[0].SerialNumber
	a.issue("listener", 2*time.Hour)
	if err := r.ReloadCertificates(); err != nil {
		t.Fatal(err)
	}
	_, conn, err = r.dialTLS(&tls.Config{RootCAs: a.pool})
	if err != nil {
		t.Fatal(err)
	}
	if conn.ConnectionState().PeerCertificates[0].SerialNumber.Cmp(old) == 0 {
		t.Error("a new connection got the old certificate")
	}
	before.Write(opaqueRequest(1, 1))
	before.Next()

	if err := os.WriteFile(a.path("listener.pem"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.ReloadCertificates(); err == nil {
		t.Error("a broken certificate was taken")
	}
	if _, _, err = r.dialTLS(&tls.Config{RootCAs: a.pool}); err != nil {
		t.Errorf("the old certificate did not stay: %v", err)
	}
}

func TestMismatchesOfTLSAreNamed(t *testing.T) {
	a := newAuthority(t)
	t.Run("plaintext client on a TLS listener", func(t *testing.T) {
		r := newRig(t, func(c *configs.Config) { c.Listeners[0].TLS = a.server("l1", "none") })
		c := r.dial()
		c.Write(opaqueRequest(1, 10))
		r.closedBy(ReasonPlaintextOnTLS)
		r.logged("security.protocol")
	})
	t.Run("client without the certificate it needs", func(t *testing.T) {
		r := newRig(t, func(c *configs.Config) { c.Listeners[0].TLS = a.server("l2", "require") })
		if c, _, err := r.dialTLS(&tls.Config{RootCAs: a.pool}); err == nil {
			ended(c) // in TLS 1.3 the client learns of it with its first read
		}
		r.closedBy(ReasonClientTLS)
	})
	t.Run("TLS broker without upstream.tls", func(t *testing.T) {
		r := newRig(t, nil)
		alert := []byte{0x15, 3, 3, 0, 2, 2, 80} // as Java's SSLEngine answers what is not TLS
		r.broker.Script(fakebroker.Expect(opaque), fakebroker.Send(alert))
		c := r.dial()
		c.Write(opaqueRequest(1, 10))
		ended(c)
		r.closedBy(ReasonBrokerTLS)
		r.logged("set upstream.tls")
	})
	t.Run("plaintext broker with upstream.tls", func(t *testing.T) {
		r := newRig(t, func(c *configs.Config) {
			c.Upstream.TLS = &configs.ClientTLS{CA: configs.Path(a.path("authority.pem"))}
		})
		r.broker.Script(fakebroker.Send([]byte{0, 0, 0, 4, 0, 0, 0, 0}))
		c := r.dial()
		c.Write(opaqueRequest(1, 10))
		ended(c)
		r.closedBy(ReasonBrokerTLS)
		r.logged("does not speak TLS")
	})
}

func TestCertificateThatEndsShowsInReadiness(t *testing.T) {
	a := newAuthority(t)
	a.issue("short", time.Hour)
	r := newRig(t, func(c *configs.Config) {
		c.Listeners[0].TLS = &configs.ServerTLS{Cert: configs.Path(a.path("short.pem")), Key: configs.Path(a.path("short-key.pem")), ClientAuth: "none"}
	})
	check := func() string {
		for _, c := range r.Ready() {
			if c.Name == "certificates" {
				return c.Status
			}
		}
		return ""
	}
	if got := check(); got != checkDegraded {
		t.Errorf("%q with an hour left", got)
	}
	r.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if got := check(); got != checkFailed {
		t.Errorf("%q after its end", got)
	}
}
