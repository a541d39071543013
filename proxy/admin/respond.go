package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// respond writes v as indented JSON: people read these answers as often as programs do.
func respond(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		refuse(w, http.StatusInternalServerError, "cannot be written as JSON: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// refusal is the body of every answer that is not a success.
type refusal struct {
	Error string `json:"error"` // one sentence
}

func refuse(w http.ResponseWriter, status int, sentence string) {
	respond(w, status, refusal{Error: sentence})
}

// query returns the parameters of a request, or an error that names those this path does not know.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	for name := range q {
		if !slices.Contains(known, name) {
			if len(known) == 0 {
				return nil, fmt.Errorf("unknown parameter %q: this path takes none", name)
			}
			return nil, fmt.Errorf("unknown parameter %q: this path takes %s", name, strings.Join(known, ", "))
		}
	}
	return q, nil
}

// values returns the values of a parameter that may be repeated or hold commas.
func values(q url.Values, name string) []string {
	var out []string
	for _, v := range q[name] {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}
