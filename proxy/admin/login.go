package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How a person shows the token: in a form, once. The browser then holds a cookie that no script can read and that goes
// with no request from another site. Where there is no token nobody signs in.

// signedFor is how long a cookie is good for.
const signedFor = 12 * time.Hour

// cookieName differs from port to port, since browsers send cookies to all ports of a host.
func cookieName(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return "warder-" + port
}

// mark is the proof that who got it had the token: it names the end of its time, and needs nothing kept here. Another
// token makes it worthless.
func (a access) mark(until int64) (string, bool) {
	token, err := a.token()
	if err != nil {
		return "", false
	}
	mac := hmac.New(sha256.New, token)
	_, _ = mac.Write([]byte("warder page until " + strconv.FormatInt(until, 10))) // a hash takes everything
	return strconv.FormatInt(until, 10) + "." + hex.EncodeToString(mac.Sum(nil)), true
}

// signed reports whether the request has a cookie that holds.
func (a access) signed(r *http.Request) bool {
	c, err := r.Cookie(a.cookie)
	if err != nil || a.tokenFile == "" {
		return false
	}
	text, _, _ := strings.Cut(c.Value, ".")
	until, err := strconv.ParseInt(text, 10, 64)
	if err != nil || a.now().Unix() >= until {
		return false
	}
	want, ok := a.mark(until)
	return ok && hmac.Equal([]byte(want), []byte(c.Value))
}

// askToken shows the form; next is where to go afterwards.
func (s *Server) askToken(w http.ResponseWriter, status int, next, why string) {
	write(w, status, "login", frame{Title: "Token wanted", Now: s.now(), Body: struct{ Next, Why string }{next, why}})
}

// loginPage is for who comes there by a link of his own.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	if s.access.allowed(r) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.askToken(w, http.StatusOK, "/", "")
}

// login takes the form. Requests of other sites have been refused before.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	next := within(r.PostFormValue("next"))
	if !s.access.right(r.PostFormValue("token")) {
		s.opts.Log.Warn().Str("remote", r.RemoteAddr).Msg("wrong token given to the status page")
		s.askToken(w, http.StatusUnauthorized, next, "That is not the token.")
		return
	}
	until := s.now().Add(signedFor)
	value, ok := s.access.mark(until.Unix())
	if !ok {
		s.askToken(w, http.StatusServiceUnavailable, next, "The token file cannot be read just now.")
		return
	}
	s.setCookie(w, value, int(signedFor.Seconds()))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	s.setCookie(w, "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Server) setCookie(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: s.access.cookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// within is a path of this interface, or the first page for anything else.
func within(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(next, "/login") {
		return "/"
	}
	return next
}

// wantsPage reports whether who asks is a browser that will show the answer, or a script of ours that wants the page.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.HasPrefix(r.URL.Path, "/api/")
}
