package admin_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"warder/proxy/admin"
)

// raw sends bytes as they are and gives the answer; a nil response means that there was none.
func raw(t *testing.T, base, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // a reset may overtake the answer to what is not read to its end
	return resp, string(body)
}

// Kafka, TLS and garbage on the admin port are refused, and others are answered.
func TestHostileOtherProtocolsOnTheAdminPort(t *testing.T) {
	base := serve(t, admin.Options{Source: source()})
	for name, sent := range map[string]string{
		"a Kafka request": "\x00\x00\x00\x12\x00\x12\x00\x03\x00\x00\x00\x01\x00\x04shop\x00\x02a\x02b\x00\n\n",
		"a ClientHello":   "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\n\n",
		"zeros":           strings.Repeat("\x00", 100) + "\n\n",
		"no version":      "GET /\r\n\r\n",
		"a huge header":   "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 30<<10) + "\r\n\r\n",
	} {
		if resp, body := raw(t, base, sent); resp != nil && resp.StatusCode < 400 {
			t.Errorf("%s was answered %d: %s", name, resp.StatusCode, body)
		}
		if a := get(t, base+"/healthz"); a.status != http.StatusOK {
			t.Errorf("after %s: %d", name, a.status)
		}
	}
}

// No path reaches a file, and none makes a header or a redirect to elsewhere.
func TestHostilePathsOnTheAdminPort(t *testing.T) {
	base := serve(t, admin.Options{Source: source()})
	for _, path := range []string{
		"/../../../../etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/./etc/passwd",
		"/api/v1/topics/../../../etc/passwd", "/api/v1/topics/..%2f..%2fetc%2fpasswd", "/api/v1/topics/%00", "/api/v1/topics/%0d%0aX-Injected:%201",
		"/api/v1/groups/..%2f..%2fetc%2fpasswd", "/api/v1/groups/a%0d%0aX-Injected:%201%0d%0a%0d%0a<script>", "/style.css/../../../etc/passwd",
		"/api/v1/findings?rule=%0d%0aX-Injected:%201", "/api/v1/findings?x%0d%0aX-Injected=1", "/api/v1/tap?api=%0d%0aX-Injected:%201",
		"//evil.example/..", "/\\evil.example", "/%5cevil.example/%2e%2e", "http://evil.example/", "http://evil.example/api/v1/config",
	} {
		resp, body := raw(t, base, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		switch {
		case resp == nil:
			t.Errorf("%s: no answer", path)
			continue
		case strings.Contains(body, "root:"):
			t.Errorf("%s shows a file: %s", path, body)
		case resp.Header.Get("X-Injected") != "":
			t.Errorf("%s makes a header: %v", path, resp.Header)
		case resp.Header.Get("X-Content-Type-Options") != "nosniff" && resp.StatusCode != http.StatusBadRequest:
			t.Errorf("%s: %d without nosniff", path, resp.StatusCode)
		}
		if to := resp.Header.Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, "/\\")) {
			t.Errorf("%s leads to %s", path, to)
		}
		if resp.Header.Get("Content-Type") == "application/json" && !json.Valid([]byte(body)) {
			t.Errorf("%s is answered with broken JSON: %s", path, body)
		}
	}
}

// What a client called itself stands in the page as text.
func TestHostileNamesOnThePage(t *testing.T) {
	f := tombstone()
	f.Summary, f.Subject.ClientID = `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`
	s := source()
	s.Findings = ring(f)
	a := get(t, serve(t, admin.Options{Source: s})+"/")
	if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "<img src=x") {
		t.Error(a.body)
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
}
