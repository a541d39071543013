package configs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"time"
)

// validator checks what the form of a file cannot say.
type validator struct {
	config   *Config
	rules    []string
	now      time.Time
	problems Problems
	warnings Problems
}

func (v *validator) fail(path, format string, args ...any) {
	v.problems = append(v.problems, v.config.tree.problemOn(path, format, args...))
}

func (v *validator) warn(path, format string, args ...any) {
	v.warnings = append(v.warnings, v.config.tree.problemOn(path, format, args...))
}

// given says whether somebody set the knob at a path.
func (v *validator) given(path string) bool {
	_, ok := v.config.tree.value[path]
	return ok
}

func (v *validator) all() {
	v.upstream()
	for i := range v.config.Listeners {
		v.listener(indexPath("listeners", i), &v.config.Listeners[i])
	}
	v.admin()
	v.ruleNames()
	v.suppressions()
	v.sinks()
	if v.config.Audit != nil {
		v.audit()
	}
	v.record()
}

// record checks that there is a recording for what is to be kept in it.
func (v *validator) record() {
	r := v.config.Record
	if r != nil {
		if r.Dir == "" {
			v.fail("record.dir", "recordings need a directory")
		}
		return
	}
	const why = "action `record` keeps what happened in the recording, and there is none; add `record: {dir: recordings}` or write alert"
	if v.config.Rules.Defaults.Action == "record" {
		v.fail("rules.defaults.action", why)
	}
	for _, id := range slices.Sorted(maps.Keys(v.config.Rules.ByID)) {
		if path := "rules." + id + ".action"; v.given(path) && v.config.Rules.ByID[id].Action == "record" {
			v.fail(path, why)
		}
	}
}

func (v *validator) upstream() {
	u := v.config.Upstream
	if len(u.Bootstrap) == 0 {
		v.fail("upstream.bootstrap", "no broker to begin with; give upstream.bootstrap, --upstream or WARDER_UPSTREAM")
	}
	for i, a := range u.Bootstrap {
		if path := indexPath("upstream.bootstrap", i); a == AdminOff || a.Host() == "" || a.Port() == 0 {
			v.fail(path, "%q does not name a broker; write host:port", a)
		}
	}
	if u.TLS != nil {
		v.clientTLS("upstream.tls", u.TLS)
	}
	if u.Lookup != nil {
		v.lookup(u.Lookup)
	}
	if u.SchemaRegistry != nil {
		v.schemaRegistry(u.SchemaRegistry)
	}
}

func (v *validator) clientTLS(path string, t *ClientTLS) {
	v.keyPair(path, t.Cert, t.Key)
	v.authorities(path+".ca", t.CA)
}

func (v *validator) login(path string, l Login) {
	if l.Username == "" {
		v.fail(path, "%s needs a username", path)
	}
	v.secretFile(path+".password_file", l.PasswordFile)
}

func (v *validator) lookup(l *Lookup) {
	if l.Username != "" || l.PasswordFile != "" {
		v.login("upstream.lookup", l.Login())
	}
	if every := l.Groups.Every; every > 0 && every < leastGroupLookup {
		v.fail("upstream.lookup.groups.every", "%v is less than %v; 0s asks for no groups", every, leastGroupLookup)
	}
}

// leastGroupLookup is the shortest time between two rounds of questions about groups.
const leastGroupLookup = 10 * time.Second

// webURL parses the URL of something that speaks HTTP; nil if it is none.
func webURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" {
		return nil
	}
	return u
}

func (v *validator) schemaRegistry(r *SchemaRegistry) {
	const path = "upstream.schema_registry"
	u := webURL(r.URL)
	switch {
	case r.URL == "":
		v.fail(path, "%s needs `url`", path)
	case u == nil || u.RawQuery != "":
		v.fail(path+".url", "this is not the URL of a registry; write it like http://registry:8081")
	case u.User != nil:
		v.fail(path+".url", "credentials do not belong in a URL; write `username` and `password_file`")
	}
	switch {
	case r.Username != "":
		v.secretFile(path+".password_file", r.PasswordFile)
	case r.PasswordFile != "":
		v.fail(path, "%s.password_file has no effect without `username`", path)
	}
	if r.TLS != nil {
		v.clientTLS(path+".tls", r.TLS)
		if u != nil && u.Scheme == "http" {
			v.fail(path+".tls", "%s.tls has no effect on a registry at http://", path)
		}
	}
}

func (v *validator) listener(path string, l *Listener) {
	if l.Address == AdminOff {
		v.fail(path+".address", "%q is not an address; write host:port, like 127.0.0.1:9092", l.Address)
		return
	}
	switch {
	case l.Advertise == "" && l.Address.Wildcard():
		v.fail(path+".address", "no client can connect to %q; say with %s.advertise under which host clients reach this machine", l.Address, path)
	case wildcardHost(l.Advertise):
		v.fail(path+".advertise", "clients are sent to this host, and no client can connect to %q; write a name or address of this machine that they can reach", l.Advertise)
	case checkHost(l.Advertise) != nil:
		v.fail(path+".advertise", "%q is not a host; write a name or an IP address without port", l.Advertise)
	}
	for id, a := range l.Map {
		at := fmt.Sprintf("%s.map.%d", path, id)
		if id < 0 {
			v.fail(at, "%d is not a node id; they start at 0", id)
		}
		if a == AdminOff || a.Wildcard() || a.Port() == 0 {
			v.fail(at, "clients are sent to %q, and none can connect to it; write host:port", a)
		}
	}
	if l.TLS != nil {
		v.serverTLS(path+".tls", l.TLS)
	}
}

func (v *validator) serverTLS(path string, t *ServerTLS) {
	if t.Cert == "" || t.Key == "" {
		v.fail(path, "%s needs both cert and key", path)
	} else {
		v.keyPair(path, t.Cert, t.Key)
	}
	switch {
	case t.ClientAuth == "none" && t.ClientCA != "":
		v.fail(path+".client_ca", "client_ca has no effect while client_auth is `none`; set client_auth to `request` or `require`")
	case t.ClientAuth != "none" && t.ClientCA == "":
		v.fail(path+".client_auth", "client_auth `%s` needs client_ca, the authorities that sign clients' certificates", t.ClientAuth)
	default:
		v.authorities(path+".client_ca", t.ClientCA)
	}
}

// keyPair checks that a certificate and its key can be read, belong together
// and have not expired. Both may be empty.
func (v *validator) keyPair(path string, cert, key Path) {
	switch {
	case cert == "" && key == "":
		return
	case cert == "" || key == "":
		v.fail(path, "%s has only one of cert and key; they come together", path)
		return
	}
	if !v.readable(path+".cert", cert) || !v.readable(path+".key", key) {
		return
	}
	pair, err := tls.LoadX509KeyPair(string(cert), string(key))
	if err != nil {
		v.fail(path+".cert", "certificate %s and key %s: %v", cert, key, err)
		return
	}
	if pair.Leaf != nil && v.now.After(pair.Leaf.NotAfter) {
		v.warn(path+".cert", "the certificate in %s expired on %s", cert, pair.Leaf.NotAfter.UTC().Format(time.DateTime))
	}
}

func (v *validator) authorities(path string, file Path) {
	if file == "" || !v.readable(path, file) {
		return
	}
	data, err := os.ReadFile(string(file))
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(data) {
		v.fail(path, "no certificate found in %s; it must be PEM", file)
	}
}

func (v *validator) readable(path string, file Path) bool {
	f, err := os.Open(string(file))
	if err != nil {
		v.fail(path, "%v", err)
		return false
	}
	return f.Close() == nil
}

// secretFile checks that a file is there and holds something.
func (v *validator) secretFile(path string, file Path) {
	if file == "" {
		v.fail(path, "%s is required", path)
		return
	}
	if !v.readable(path, file) {
		return
	}
	if data, err := os.ReadFile(string(file)); err != nil || len(bytes.TrimSpace(data)) == 0 {
		v.fail(path, "%s is empty", file)
	}
}

func (v *validator) admin() {
	a := v.config.Admin
	switch {
	case a.Enabled() && a.Address.Host() == "":
		v.fail("admin.address", "%q has no host; write 0.0.0.0:%d to mean all interfaces", a.Address, a.Address.Port())
	case a.TokenFile != "":
		v.secretFile("admin.token_file", a.TokenFile)
	case a.Enabled() && !a.Address.Loopback():
		v.fail("admin.address", "%q can be reached from other machines; that needs admin.token_file, a file with a token that callers must send", a.Address)
	}
}

func (v *validator) ruleNames() {
	if v.rules == nil {
		return
	}
	for id := range v.config.Rules.ByID {
		if !slices.Contains(v.rules, id) {
			path := "rules." + id
			v.problems = append(v.problems, v.config.tree.problemOnKey(path, "%s", unknown("rule", id, "", append(slices.Clone(v.rules), "defaults"))))
		}
	}
}

func (v *validator) suppressions() {
	for i, s := range v.config.Suppressions {
		path := indexPath("suppressions", i)
		switch {
		case s.Rule == "":
			v.fail(path, "a suppression needs `rule`: the id of a rule, or `*`")
		case s.Rule != "*" && v.rules != nil && !slices.Contains(v.rules, s.Rule):
			v.fail(path+".rule", "%s", unknown("rule", s.Rule, "", v.rules))
		}
		if s.Reason == "" {
			v.fail(path, "a suppression needs `reason`, for those who come later")
		}
		switch {
		case s.Until.IsZero() && !v.given(path+".until"):
			v.fail(path, "a suppression needs `until`, its last day, like 2027-03-01")
		case !s.Until.IsZero() && s.Until.Over(v.now):
			v.warn(path+".until", "this suppression ended on %s; its findings are reported again", s.Until.Format(time.DateOnly))
		}
	}
}

func (v *validator) sinks() {
	s := v.config.Sinks
	if s.File != nil && s.File.Path == "" {
		v.fail("sinks.file", "sinks.file needs `path`")
	}
	if s.Kafka != nil {
		v.kafkaSink(s.Kafka)
	}
	if s.Webhook != nil {
		v.webhook(s.Webhook)
	}
}

func (v *validator) webhook(w *WebhookSink) {
	const path = "sinks.webhook"
	u := webURL(w.URL)
	switch {
	case w.URL == "":
		v.fail(path, "%s needs `url`", path)
	case u == nil:
		v.fail(path+".url", "this is not a URL to post to; write it like https://alerts.internal/api/v2/alerts")
	case u.User != nil && w.AuthorizationFile != "":
		v.fail(path+".url", "there are credentials in the URL and in authorization_file; only one can be sent")
	}
	if w.AuthorizationFile != "" {
		v.secretFile(path+".authorization_file", w.AuthorizationFile)
	}
}

func (v *validator) kafkaSink(k *KafkaSink) {
	v.kafkaTopic("sinks.kafka", k.Topic, k.Bootstrap, k.TLS, k.Login)
}

// kafkaTopic checks a topic that warder writes to for itself.
func (v *validator) kafkaTopic(path, topic string, bootstrap []Address, tls *ClientTLS, login *Login) {
	if topic == "" {
		v.fail(path, "%s needs `topic`", path)
	}
	if len(bootstrap) == 0 && tls != nil {
		v.fail(path+".tls", "tls here is for brokers of another cluster, given as `bootstrap`; those of upstream are spoken to as upstream.tls says")
	}
	for i, a := range bootstrap {
		for _, l := range v.config.Listeners {
			if a == l.Address {
				v.fail(fmt.Sprintf("%s.bootstrap[%d]", path, i), "%s is where warder itself listens; what it writes there about itself would have no end", a)
			}
		}
	}
	if tls != nil {
		v.clientTLS(path+".tls", tls)
	}
	if login != nil {
		v.login(path+".login", *login)
	}
}
