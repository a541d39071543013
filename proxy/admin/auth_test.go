package admin_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warder/proxy/admin"
)

func TestLoopbackRefusesForeignHosts(t *testing.T) {
	base := serve(t, admin.Options{Source: source()})
	port := base[strings.LastIndex(base, ":"):]
	for h, want := range map[string]int{
		"127.0.0.1" + port: 200, "localhost" + port: 200, "LOCALHOST": 200, "localhost.": 200, "[::1]" + port: 200, "127.8.8.8": 200,
		"evil.example" + port: 403, "localhost.evil.example": 403, "10.0.0.1" + port: 403, "127.0.0.1.evil.example": 403, "0.0.0.0": 403,
	} {
		if a := get(t, base+"/api/v1/config", host(h)); a.status != want {
			t.Errorf("Host %s: %d, want %d", h, a.status, want)
		}
	}
}

func TestReloadRefusesOtherSites(t *testing.T) {
	base := serve(t, admin.Options{Source: source()})
	for name, tc := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"a program":             {header("User-Agent", "curl"), 200},
		"another site":          {header("Origin", "https://evil.example"), 403},
		"another site by fetch": {header("Sec-Fetch-Site", "cross-site"), 403},
		"another port":          {header("Origin", "http://127.0.0.1:1"), 403},
		"our own page":          {header("Sec-Fetch-Site", "same-origin"), 200},
	} {
		if a := do(t, http.MethodPost, base+"/api/v1/reload", tc.change); a.status != tc.want {
			t.Errorf("%s: %d, want %d", name, a.status, tc.want)
		} else if a.status == 403 && compact(t, a.body) != `{"error":"a page of another site may not ask for this"}` {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}

func TestOtherAddressesNeedATokenFile(t *testing.T) {
	for name, file := range map[string]string{
		"none":    "",
		"missing": filepath.Join(t.TempDir(), "nowhere"),
		"empty":   writeToken(t, " \n"),
		"huge":    writeToken(t, strings.Repeat("x", 5000)),
	} {
		s, err := admin.Listen(t.Context(), admin.Options{Address: "0.0.0.0:0", TokenFile: file})
		if err == nil || !strings.Contains(err.Error(), "token_file") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = s.Close()
		}
	}
	if s, err := admin.Listen(t.Context(), admin.Options{Address: "127.0.0.1:0"}); err != nil {
		t.Errorf("loopback without a token: %v", err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestToken(t *testing.T) {
	file := writeToken(t, "s3cret\n")
	base := serve(t, admin.Options{Address: "0.0.0.0:0", TokenFile: file, Source: source()})
	base = strings.Replace(base, "[::]", "127.0.0.1", 1)
	basic := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("anyone", password) }
	}
	check := func(name string, change func(*http.Request), want int) {
		t.Helper()
		a := get(t, base+"/api/v1/config", change)
		if a.status != want {
			t.Errorf("%s: %d, want %d", name, a.status, want)
		}
		if want == 401 && (len(a.header.Values("WWW-Authenticate")) != 2 || strings.Contains(a.body, "s3cret")) {
			t.Errorf("%s: %v %s", name, a.header, a.body)
		}
	}
	check("no token", header("X", "y"), 401)
	check("token", header("Authorization", "Bearer s3cret"), 200)
	check("as a password", basic("s3cret"), 200)
	check("wrong token", header("Authorization", "Bearer s3cre"), 401)
	check("wrong password", basic("s3crets"), 401)
	check("wrong scheme", header("Authorization", "s3cret"), 401)
	check("any host name", func(r *http.Request) {
		r.Host = "warder.example"
		r.Header.Set("Authorization", "Bearer s3cret")
	}, 200)

	if err := os.WriteFile(file, []byte("rotated"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("old token", header("Authorization", "Bearer s3cret"), 401)
	check("rotated token", header("Authorization", "Bearer rotated"), 200)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	check("no file any more", header("Authorization", "Bearer rotated"), 401)
	check("nothing against nothing", header("Authorization", "Bearer "), 401)
}

func TestProbesNeedNoTokenAndTellNoDetail(t *testing.T) {
	o := admin.Options{TokenFile: writeToken(t, "s3cret"), Source: source()}
	base := serve(t, o)
	for path, want := range map[string]string{"/healthz": `{"status":"ok"}`, "/readyz": `{"status":"ok"}`} {
		if a := get(t, base+path); a.status != 200 || compact(t, a.body) != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := get(t, base+"/readyz", header("Authorization", "Bearer s3cret")); !strings.Contains(a.body, "listeners") {
		t.Errorf("with the token: %s", a.body)
	}
	for _, path := range []string{"/", "/metrics", "/app.js", "/findings", "/logout", "/api/v1/tap", "/readyz/", "//readyz"} {
		if a := get(t, base+path); a.status != 401 {
			t.Errorf("%s: %d, want 401", path, a.status)
		}
	}
}
