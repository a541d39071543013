package configs

import "time"

// Listener is one place where clients connect: a bootstrap address and one port
// for each broker behind it.
type Listener struct {
	// Name in logs, metrics and findings; unique. Default: `default` for the first, `listener-N` for the Nth.
	Name string `yaml:"name"`
	// host:port that clients bootstrap from. Port 0 takes any free port.
	Address Address `yaml:"address"`
	// Host that clients are told to connect to. Default: the host of `address`; must be
	// given when that is a wildcard such as 0.0.0.0.
	Advertise string `yaml:"advertise"`
	// Ports for the brokers, FIRST-LAST, one for each broker id, bound as brokers appear.
	// `0` takes any free port for each. Default: the 100 ports after `address`.
	Ports *PortRange `yaml:"ports"`
	// Addresses to advertise for certain brokers: node id -> host:port.
	Map map[int32]Address `yaml:"map"`
	// Speak TLS to clients; leave it out for plaintext. The files are read again when their
	// content changes.
	TLS *ServerTLS `yaml:"tls"`
	// Bounds on what clients may use.
	Limits Limits `yaml:"limits" reload:"live"`
}

func defaultListener() Listener {
	var l Listener
	l.SetDefaults()
	l.complete(0)
	return l
}

// SetDefaults fills every knob that has a default of its own; what follows from
// other knobs is filled by complete.
func (l *Listener) SetDefaults() {
	l.Address = "127.0.0.1:9092"
	l.Limits = Limits{
		Connections:      10000,
		ConnectionsPerIP: 1000,
		Frame:            100 * MiB,
		InFlight:         1000,
		Unauthenticated:  30 * time.Second,
	}
}

// ServerTLS is warder as a TLS server. The files are read again when their
// content changes; another path waits for a restart.
type ServerTLS struct {
	// PEM file of the certificate chain. Required.
	Cert Path `yaml:"cert"`
	// PEM file of the private key of `cert`. Required.
	Key Path `yaml:"key"`
	// PEM file of the authorities that sign clients' certificates; needed unless `client_auth` is `none`.
	ClientCA Path `yaml:"client_ca"`
	// Whether clients need a certificate: `none` never asks, `request` checks one that is given, `require` insists.
	ClientAuth string `yaml:"client_auth" enum:"none,request,require"`
}

// SetDefaults fills every knob that has a default.
func (t *ServerTLS) SetDefaults() { t.ClientAuth = "none" }

// Limits bounds what the clients of one listener may use.
type Limits struct {
	// Most open connections on the listener and its broker ports together. 1-1000000.
	Connections int `yaml:"connections" min:"1" max:"1000000"`
	// Most open connections from one IP address. 1-1000000.
	ConnectionsPerIP int `yaml:"connections_per_ip" min:"1" max:"1000000"`
	// Largest request; the connection of a client that sends a larger one is closed. 1KiB-2047MiB.
	Frame Size `yaml:"frame" min:"1KiB" max:"2047MiB"`
	// Most requests of one connection that wait for their answer; then warder stops reading
	// from it until one is answered. 1-100000.
	InFlight int `yaml:"in_flight" min:"1" max:"100000"`
	// Longest time from connecting to the first request, or to the end of authentication
	// once it has begun. 1s-1h.
	Unauthenticated time.Duration `yaml:"unauthenticated" min:"1s" max:"1h"`
}

// complete fills what follows from other knobs; i is the listener's position in
// the list.
func (l *Listener) complete(i int) {
	if l.Name == "" {
		l.Name = defaultListenerName(i)
	}
	if l.Advertise == "" && !l.Address.Wildcard() {
		l.Advertise = l.Address.Host()
	}
	if l.Ports == nil {
		l.Ports = portsAfter(l.Address.Port())
	}
}
