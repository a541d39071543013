package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever answers is told apart in words.
func TestAnswersThatAreNoData(t *testing.T) {
	for _, c := range []struct {
		status       int
		body, says   string
		exit         int
		withoutToken bool
	}{
		{http.StatusUnauthorized, "{}", "wants its token: give the file that holds it with --token-file", 1, true},
		{http.StatusBadRequest, `{"error":"since=x: want an age"}`, "since=x: want an age", 2, false},
		{http.StatusServiceUnavailable, `{"error":"too many streams are open"}`, "too many streams are open (503", 1, false},
		{http.StatusNotFound, "404 page not found", "is that a warder's admin address?", 1, false},
		{http.StatusOK, "<html>", "is it a warder of this version?", 1, false},
	} {
		var bearer string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			bearer = r.Header.Get("Authorization")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		args := []string{"findings", "--admin", strings.TrimPrefix(server.URL, "http://")}
		if !c.withoutToken {
			args = append(args, "--token-file", secret(t, " s3cret\n"))
		}
		got := warder(t, nil, args...)
		server.Close()
		if got.status != c.exit || !strings.Contains(got.stderr, c.says) {
			t.Errorf("%d %s: %+v", c.status, c.body, got)
		}
		if want := map[bool]string{true: "", false: "Bearer s3cret"}[c.withoutToken]; bearer != want {
			t.Errorf("%d: sent %q, want %q", c.status, bearer, want)
		}
	}
}
