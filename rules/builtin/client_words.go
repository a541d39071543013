package builtin

import "warder/rules"

// clientNamed is a client's name for a person, from its client.id.
func clientNamed(clientID string) string {
	if clientID == "" {
		return "a client without client.id"
	}
	return rules.Excerpt(clientID, 80)
}

// clientText is clientNamed of a client that is known by its identity.
func clientText(id *rules.Identity) string { return clientNamed(id.ClientID) }
