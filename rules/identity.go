package rules

import "net/netip"

// Identity is what is known of a client connection. It is immutable: when more
// is learnt, or the principal changes by re-authentication (KIP-368), the
// session gets a new one. Strings come from the client and may hold anything.
type Identity struct {
	// Remote is the peer of the connection.
	Remote netip.AddrPort
	// Listener is the name of the listener that accepted it.
	Listener string
	// ClientID is client.id, empty when null.
	ClientID string
	// Principal is type and name, as in User:alice; empty when nobody
	// authenticated or the mechanism hides it.
	Principal string
	// SoftwareName and SoftwareVersion come from ApiVersions v3+ (KIP-511);
	// empty for clients that send an older one, kafkajs among them.
	SoftwareName    string
	SoftwareVersion string
	// TLSSubject is the subject of the client's certificate.
	TLSSubject string
}

// Software is name and version with a space between, empty when unknown.
func (id *Identity) Software() string {
	if id.SoftwareVersion == "" {
		return id.SoftwareName
	}
	return id.SoftwareName + " " + id.SoftwareVersion
}

// Key is the key of ByClient: client.id and principal, by which findings about a
// client are folded. All instances of an application that share them have one.
// It is never empty.
func (id *Identity) Key() string { return id.ClientID + "\x00" + id.Principal }
