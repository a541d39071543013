package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"warder/configs"
)

// certificates is a TLS configuration made of files, read again by reload.
// Connections keep what they were opened with; new ones get the newest.
type certificates struct {
	load    func() (*tls.Config, []certificateExpiry, error)
	current atomic.Pointer[tls.Config]
	expiry  atomic.Pointer[[]certificateExpiry]
}

// certificateExpiry says until when the first certificate of a file is valid.
type certificateExpiry struct {
	file  string
	until time.Time
}

// reload reads the files again. On an error the old configuration stays.
func (c *certificates) reload() error {
	if c == nil {
		return nil
	}
	config, expiry, err := c.load()
	if err != nil {
		return err
	}
	c.current.Store(config)
	c.expiry.Store(&expiry)
	return nil
}

// config returns the newest configuration; nil when c is nil (plaintext).
func (c *certificates) config() *tls.Config {
	if c == nil {
		return nil
	}
	return c.current.Load()
}

// expiries returns until when the certificates in use are valid.
func (c *certificates) expiries() []certificateExpiry {
	if c == nil {
		return nil
	}
	if e := c.expiry.Load(); e != nil {
		return *e
	}
	return nil
}

// serverCertificates makes warder a TLS server; nil settings mean plaintext.
func serverCertificates(settings *configs.ServerTLS) (*certificates, error) {
	if settings == nil {
		return nil, nil
	}
	c := &certificates{load: func() (*tls.Config, []certificateExpiry, error) {
		cert, expiry, err := keyPair(string(settings.Cert), string(settings.Key))
		if err != nil {
			return nil, nil, err
		}
		config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		switch settings.ClientAuth {
		case "request":
			config.ClientAuth = tls.VerifyClientCertIfGiven
		case "require":
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
		if config.ClientAuth != tls.NoClientCert {
			if config.ClientCAs, err = authorities(string(settings.ClientCA)); err != nil {
				return nil, nil, err
			}
		}
		return config, []certificateExpiry{expiry}, nil
	}}
	return c, c.reload()
}

// UpstreamTLS reads the TLS configuration towards brokers, or a schema registry, once; nil
// means plaintext.
func UpstreamTLS(settings *configs.ClientTLS) (*tls.Config, error) {
	c, err := clientCertificates(settings)
	return c.config(), err
}

// clientCertificates makes warder a TLS client of the brokers; nil settings mean plaintext.
func clientCertificates(settings *configs.ClientTLS) (*certificates, error) {
	if settings == nil {
		return nil, nil
	}
	c := &certificates{load: func() (*tls.Config, []certificateExpiry, error) {
		config := &tls.Config{ServerName: settings.ServerName, MinVersion: tls.VersionTLS12}
		var expiries []certificateExpiry
		if settings.CA != "" {
			pool, err := authorities(string(settings.CA))
			if err != nil {
				return nil, nil, err
			}
			config.RootCAs = pool
		}
		if settings.Cert != "" {
			cert, expiry, err := keyPair(string(settings.Cert), string(settings.Key))
			if err != nil {
				return nil, nil, err
			}
			config.Certificates = []tls.Certificate{cert}
			expiries = append(expiries, expiry)
		}
		return config, expiries, nil
	}}
	return c, c.reload()
}

func keyPair(certFile, keyFile string) (tls.Certificate, certificateExpiry, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return cert, certificateExpiry{}, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return cert, certificateExpiry{file: certFile, until: cert.Leaf.NotAfter}, nil
}

func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %w", file, errNoCertificate)
	}
	return pool, nil
}

var errNoCertificate = errors.New("no certificate in the file")
