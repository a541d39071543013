package admin_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"warder/proxy/admin"
)

// person is a browser with its cookies.
type person struct {
	t      *testing.T
	base   string
	client *http.Client
}

func newPerson(t *testing.T, base string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(c.CloseIdleConnections)
	return &person{t, base, c}
}

func (p *person) do(method, path string, form url.Values, change ...func(*http.Request)) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, p.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestSigningIn(t *testing.T) {
	file := writeToken(t, "s3cret\n")
	var clock atomic.Pointer[time.Time]
	clock.Store(new(noon))
	now := func() time.Time { return *clock.Load() }
	base := serve(t, admin.Options{TokenFile: file, Source: source(), Now: now})
	p := newPerson(t, base)

	if r := p.do("GET", "/groups?x=1", nil); r.StatusCode != 401 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || len(r.Header.Values("WWW-Authenticate")) != 1 {
		t.Errorf("no token: %d %v", r.StatusCode, r.Header)
	}
	if a := get(t, base+"/groups?x=1", header("Accept", "text/html")); !strings.Contains(a.body, `name="next" value="/groups?x=1"`) || strings.Contains(a.body, "prod") {
		t.Errorf("the form: %s", a.body)
	}
	if r := p.do("POST", "/login", url.Values{"token": {"wrong"}, "next": {"/groups"}}); r.StatusCode != 401 || len(r.Cookies()) != 0 {
		t.Errorf("wrong token: %d %v", r.StatusCode, r.Cookies())
	}
	if r := p.do("POST", "/login", url.Values{"token": {"s3cret"}}, header("Origin", "https://evil.example")); r.StatusCode != 403 {
		t.Errorf("another site signs in: %d", r.StatusCode)
	}
	r := p.do("POST", "/login", url.Values{"token": {"s3cret"}, "next": {"/groups"}})
	if r.StatusCode != 303 || r.Header.Get("Location") != "/groups" || len(r.Cookies()) != 1 {
		t.Fatalf("%d %v", r.StatusCode, r.Header)
	}
	if c := r.Cookies()[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, "s3cret") {
		t.Errorf("cookie %v", c)
	}
	for _, path := range []string{"/", "/groups", "/api/v1/config", "/metrics"} {
		if r := p.do("GET", path, nil); r.StatusCode != 200 && path != "/metrics" {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	if r := p.do("POST", "/api/v1/reload", url.Values{}, header("Origin", "https://evil.example")); r.StatusCode != 403 {
		t.Errorf("another site reloads with our cookie: %d", r.StatusCode)
	}

	forged := newPerson(t, base)
	for _, value := range []string{"", "x", "9999999999.", "9999999999." + strings.Repeat("0", 64), strings.Replace(r.Cookies()[0].Value, "1", "2", 1)} {
		if r := forged.do("GET", "/", nil, func(q *http.Request) { q.AddCookie(&http.Cookie{Name: r.Cookies()[0].Name, Value: value}) }); r.StatusCode != 401 {
			t.Errorf("cookie %q: %d", value, r.StatusCode)
		}
	}

	later := noon.Add(12*time.Hour + time.Second)
	clock.Store(&later)
	if r := p.do("GET", "/", nil); r.StatusCode != 401 {
		t.Errorf("after twelve hours: %d", r.StatusCode)
	}
	clock.Store(new(noon))
	if err := os.WriteFile(file, []byte("rotated"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := p.do("GET", "/", nil); r.StatusCode != 401 {
		t.Errorf("after the token was rotated: %d", r.StatusCode)
	}
}

func TestSigningOut(t *testing.T) {
	p := newPerson(t, serve(t, admin.Options{TokenFile: writeToken(t, "s3cret"), Source: source()}))
	p.do("POST", "/login", url.Values{"token": {"s3cret"}})
	if r := p.do("GET", "/login", nil); r.StatusCode != 303 {
		t.Errorf("signed in already: %d", r.StatusCode)
	}
	if r := p.do("POST", "/logout", url.Values{}); r.StatusCode != 303 {
		t.Errorf("%d", r.StatusCode)
	}
	if r := p.do("GET", "/", nil); r.StatusCode != 401 {
		t.Errorf("after signing out: %d", r.StatusCode)
	}
}

// Where to go after signing in comes from the address that somebody was sent to.
func TestSigningInStaysHere(t *testing.T) {
	for next, want := range map[string]string{
		"/findings?rule=tombstone": "/findings?rule=tombstone", "": "/", "https://evil.example": "/", "//evil.example": "/", `/\evil.example`: "/",
		"/\tevil": "/", "/login": "/", "findings": "/",
	} {
		p := newPerson(t, serve(t, admin.Options{TokenFile: writeToken(t, "s3cret"), Source: source()}))
		if got := p.do("POST", "/login", url.Values{"token": {"s3cret"}, "next": {next}}).Header.Get("Location"); got != want {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
}

// A script of a page must not make the browser ask for a password of its own.
func TestScriptsAreNotOfferedBasic(t *testing.T) {
	base := serve(t, admin.Options{TokenFile: writeToken(t, "s3cret"), Source: source()})
	a := get(t, base+"/api/v1/findings/stream", header("Sec-Fetch-Mode", "cors"))
	if want := []string{`Bearer realm="warder"`}; a.status != 401 || len(a.header.Values("WWW-Authenticate")) != len(want) {
		t.Errorf("%d %v", a.status, a.header.Values("WWW-Authenticate"))
	}
}
