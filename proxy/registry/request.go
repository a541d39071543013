package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

const (
	// subjectsNamed is the most subjects of one answer.
	subjectsNamed = 20
	// answerBytes is the most that is read of one.
	answerBytes = 1 << 20
	// schemaNotFound is the error_code of a registry that does not know an id, which
	// tells it from a registry that does not know the request.
	schemaNotFound = 40403
)

// subjects asks under which subjects a schema is registered; none if it is not,
// and known is false if that cannot be told. Registries before 5.5 know only the
// older of the two requests.
//
// Versions that are soft-deleted count: their ids stay readable, and without
// `deleted` the answer leaves them out. It also leaves out, and does not say so,
// the subjects that the credentials may not see, so an empty answer tells nothing;
// an id that nobody registered is an error of its own.
func (r *Registry) subjects(ctx context.Context, id int32) (subjects []string, known bool, err error) {
	var versions []struct{ Subject string }
	found, err := r.get(ctx, fmt.Sprintf("/schemas/ids/%d/versions?deleted=true", id), &versions)
	for _, v := range versions {
		subjects = append(subjects, v.Subject)
	}
	if found == otherwise {
		found, err = r.get(ctx, fmt.Sprintf("/schemas/ids/%d/subjects?deleted=true", id), &subjects)
		if found == otherwise {
			err = fmt.Errorf("GET /schemas/ids/%d/versions and /subjects: 404 Not Found; is the URL that of the API?", id)
		}
	}
	for i := range subjects {
		subjects[i] = withoutContext(subjects[i])
	}
	slices.Sort(subjects)
	subjects = slices.Compact(subjects)
	return subjects[:min(len(subjects), subjectsNamed)], found == none || len(subjects) > 0, err
}

// withoutContext takes the schema context off a subject (QualifiedSubject, as in
// ":.staging:orders-value"): serializers know nothing of contexts, and topics are
// not named after them.
func withoutContext(subject string) string {
	if rest, ok := strings.CutPrefix(subject, ":."); ok {
		if _, bare, ok := strings.Cut(rest, ":"); ok {
			return bare
		}
	}
	return subject
}

// result says what a request came to.
type result uint8

const (
	failed    result = iota
	answered         // into the value
	none             // the registry does not have the schema
	otherwise        // the registry does not have the request
)

// get makes one request.
func (r *Registry) get(ctx context.Context, path string, into any) (result, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(r.o.Config.URL, "/")+path, http.NoBody)
	if err != nil {
		return failed, err
	}
	req.Header.Set("Accept", "application/vnd.schemaregistry.v1+json, application/json")
	req.Header.Set("User-Agent", "warder")
	if err := r.credentials(req); err != nil {
		return failed, err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return failed, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerBytes))
	if err != nil {
		return failed, fmt.Errorf("GET %s: %w", path, err)
	}
	switch res.StatusCode {
	case http.StatusOK:
		if err := json.Unmarshal(body, into); err != nil {
			return failed, fmt.Errorf("GET %s: not the answer of a registry: %w", path, err)
		}
		return answered, nil
	case http.StatusNotFound:
		var e struct {
			Code int `json:"error_code"`
		}
		if json.Unmarshal(body, &e) == nil && e.Code == schemaNotFound {
			return none, nil
		}
		return otherwise, nil
	}
	return failed, fmt.Errorf("GET %s: %s", path, res.Status)
}
