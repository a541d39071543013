package admin

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"
)

// contentPolicy is what a page may use: files of this interface, and no style or script that stands in the page itself,
// so that a name which got into it unescaped could still do nothing.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxToken bounds the token file, in bytes.
const maxToken = 4096

// access decides who may ask. It is constant; the token is read from its file for every request that needs it,
// so that a rotated token counts at once.
type access struct {
	tokenFile string
	loopback  bool
	cookie    string           // its name
	now       func() time.Time // for the end of cookies
}

// check fails when the interface would be open to other machines without a token.
func (a access) check() error {
	if a.tokenFile == "" {
		if a.loopback {
			return nil
		}
		return errors.New("an address that is not loopback needs a token_file")
	}
	_, err := a.token()
	return err
}

func (a access) token() ([]byte, error) {
	f, err := os.Open(a.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("token_file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return nil, fmt.Errorf("token_file: %w", err)
	}
	b = bytes.TrimSpace(b)
	if len(b) == 0 || len(b) > maxToken {
		return nil, fmt.Errorf("token_file %s: want a token of 1 to %d bytes", a.tokenFile, maxToken)
	}
	return b, nil
}

// bears reports whether the request carries the token: as Bearer, or as the password of Basic, which is what a
// browser can send. Hashes are compared, so that neither content nor length shows in the time taken.
func (a access) bears(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		if _, given, ok = r.BasicAuth(); !ok {
			return false
		}
	}
	return a.right(given)
}

func (a access) right(given string) bool {
	token, err := a.token()
	if err != nil {
		return false
	}
	want, got := sha256.Sum256(token), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// allowed reports whether the request may see everything: the token where there is one, or the cookie that was given for it.
func (a access) allowed(r *http.Request) bool { return a.tokenFile == "" || a.bears(r) || a.signed(r) }

// hostAllowed guards a loopback interface against DNS rebinding: a page from elsewhere whose name was made to resolve
// to 127.0.0.1 sends its own name as Host.
func (a access) hostAllowed(r *http.Request) bool {
	if !a.loopback {
		return true // the token protects it, and names are the operator's choice
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// guard is the outermost handler: who may ask, for how long, and what a browser may do with the answer.
func (s *Server) guard(next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection() // by Sec-Fetch-Site, else Origin: no web page may reload us
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "a page of another site may not ask for this")
	}))
	next = foreign.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("Referrer-Policy", "same-origin") // with no-referrer browsers hide from us that a form is our own
		h.Set("Cache-Control", "no-store")
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		switch {
		case !s.access.hostAllowed(r):
			refuse(w, http.StatusForbidden, "this interface answers to localhost and loopback addresses only")
		case !needsNoToken(r) && !s.access.allowed(r):
			s.challenge(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// challenge asks for the token: a person by a form, a program by headers. Basic is not offered to what a page asks for by
// script, or the browser would put its own dialog over the page.
func (s *Server) challenge(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("WWW-Authenticate", `Bearer realm="warder"`)
	if wantsPage(r) {
		s.askToken(w, http.StatusUnauthorized, r.URL.RequestURI(), "")
		return
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode == "" || mode == "navigate" {
		w.Header().Add("WWW-Authenticate", `Basic realm="warder (any name, token as password)"`)
	}
	refuse(w, http.StatusUnauthorized, "this interface needs the token of its token_file: Authorization: Bearer TOKEN")
}

// needsNoToken reports whether a request needs no token: probes of Kubernetes, and what the form that asks for the token is made of.
func needsNoToken(r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz", "/readyz", "/login", "/style.css", "/icon.svg":
		return true
	}
	return false
}
