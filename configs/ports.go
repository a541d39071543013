package configs

// claim is the ports that one knob wants on one host.
type claim struct {
	path, what  string
	host        string
	first, last int
}

// ports finds listeners that want the same name or port.
func (v *validator) ports() {
	names := map[string]bool{}
	var claims []claim
	for i, l := range v.config.Listeners {
		path := indexPath("listeners", i)
		if names[l.Name] {
			v.fail(path+".name", "a second listener is named %q", l.Name)
		}
		names[l.Name] = true
		claims = append(claims, claim{path + ".address", "the address of listener " + l.Name, l.Address.Host(), l.Address.Port(), l.Address.Port()})
		if !l.Ports.Any() {
			claims = append(claims, claim{path + ".ports", "the ports of listener " + l.Name, l.Address.Host(), int(l.Ports.First), int(l.Ports.Last)})
		}
	}
	if a := v.config.Admin; a.Enabled() {
		claims = append(claims, claim{"admin.address", "the admin address", a.Address.Host(), a.Address.Port(), a.Address.Port()})
	}
	for i, b := range claims {
		for _, a := range claims[:i] {
			if port, ok := a.overlaps(b); ok {
				at := b.path
				if !v.given(at) && v.given(a.path) {
					at = a.path
				}
				v.fail(at, "port %d is wanted twice on %s: %s and %s", port, hostName(b.host), a.what, b.what)
			}
		}
	}
}

// overlaps gives the first port that both want; port 0 clashes with nothing.
func (a claim) overlaps(b claim) (port int, ok bool) {
	if a.host != b.host && !wildcardHost(a.host) && !wildcardHost(b.host) {
		return 0, false
	}
	port = max(a.first, b.first)
	return port, port != 0 && port <= min(a.last, b.last)
}

func hostName(host string) string {
	if host == "" {
		return "all interfaces"
	}
	return host
}
