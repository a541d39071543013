package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"warder/configs"
	"warder/rules"
)

// Pauses between attempts to deliver one finding: doubled each time, and never the
// same for two warders that lost one endpoint at the same moment.
const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
)

// maxPosted is how many incidents are remembered as posted; what falls out is
// posted once more than need be.
const maxPosted = 10_000

// Webhook posts findings to an HTTP endpoint, one at a time. A finding that cannot
// be delivered is tried again until RetryFor has passed; what the endpoint refuses
// for good (4xx but 408 and 429) is given up at once.
type Webhook struct {
	// set at construction
	knobs    configs.WebhookSink
	least    rules.Severity
	body     func(*rules.Finding) ([]byte, error)
	client   *http.Client
	now      func() time.Time
	pause    time.Duration // before the second attempt
	hurry    chan struct{} // closed by Interrupt
	hurrying sync.Once

	posted map[string]time.Time // when an incident was last posted, by its id; owned by Write
}

// NewWebhook makes the sink; nothing is sent until there is a finding.
func NewWebhook(c configs.WebhookSink) (*Webhook, error) {
	s := &Webhook{
		knobs: c, body: webhookBodies[c.Format], client: &http.Client{Timeout: c.Timeout}, now: time.Now, pause: firstPause,
		hurry: make(chan struct{}), posted: map[string]time.Time{},
	}
	if s.body == nil {
		return nil, fmt.Errorf("webhook: there is no format %q", c.Format)
	}
	if err := s.least.UnmarshalText([]byte(c.MinSeverity)); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return s, nil
}

// Name is "webhook".
func (*Webhook) Name() string { return "webhook" }

// Interrupt makes an end of waiting for an endpoint that is down.
func (s *Webhook) Interrupt() { s.hurrying.Do(func() { close(s.hurry) }) }

// Close ends idle connections.
func (s *Webhook) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// Write posts a finding, unless it is too small or was posted lately.
func (s *Webhook) Write(f *rules.Finding) error {
	now := s.now()
	if f.Severity < s.least || !s.due(f, now) {
		return nil
	}
	body, err := s.body(f)
	if err != nil {
		return fmt.Errorf("finding %s: %w", f.ID, err)
	}
	if err := s.deliver(body); err != nil {
		return err
	}
	s.remember(f, now)
	return nil
}

// due says whether an incident is to be posted (again). Where repeats are left out
// its end is news only to who was told of its begin.
func (s *Webhook) due(f *rules.Finding, now time.Time) bool {
	every := s.knobs.RepeatEvery()
	at, known := s.posted[f.ID]
	if f.Resolved {
		return known || every == 0
	}
	return !known || now.Sub(at) >= every
}

func (s *Webhook) remember(f *rules.Finding, now time.Time) {
	if f.Resolved {
		delete(s.posted, f.ID)
		return
	}
	if len(s.posted) >= maxPosted {
		oldest, at := "", now
		for id, t := range s.posted {
			if t.Before(at) || oldest == "" {
				oldest, at = id, t
			}
		}
		delete(s.posted, oldest)
	}
	s.posted[f.ID] = now
}

// deliver posts until it is taken, refused for good, or too late.
func (s *Webhook) deliver(body []byte) error {
	deadline := s.now().Add(s.knobs.RetryFor)
	pause := s.pause
	for {
		wait, err := s.post(body)
		var refused *refusal
		if err == nil || errors.As(err, &refused) {
			return err
		}
		wait = max(wait, pause/2+rand.N(pause/2)) //nolint:gosec // only spreads attempts
		if s.now().Add(wait).After(deadline) || !s.wait(wait) {
			return err
		}
		pause = min(2*pause, maxPause)
	}
}

// wait lets time pass; false means that there is none to lose.
func (s *Webhook) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.hurry:
		return false
	}
}

// refusal is an answer that another attempt would not change.
type refusal struct{ status, text string }

func (r *refusal) Error() string {
	if r.text == "" {
		return "the endpoint answers " + r.status
	}
	return fmt.Sprintf("the endpoint answers %s: %s", r.status, r.text)
}

// post makes one attempt. wait is how long the endpoint asks for patience.
func (s *Webhook) post(body []byte) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.knobs.URL, bytes.NewReader(body))
	if err != nil {
		return 0, &refusal{status: "nothing: the URL cannot be used"} // the URL may hold a secret, and so may err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "warder")
	if s.knobs.AuthorizationFile != "" {
		value, err := os.ReadFile(string(s.knobs.AuthorizationFile))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", strings.TrimSpace(string(value)))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, withoutURL(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	switch code := resp.StatusCode; {
	case code < 300:
		return 0, nil
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return time.Duration(min(max(seconds, 0), 3600)) * time.Second, fmt.Errorf("the endpoint answers %s", resp.Status)
	}
	return 0, &refusal{resp.Status, strings.TrimSpace(rules.Excerpt(string(text), 200))}
}

// withoutURL leaves out the URL, which may hold a secret: those of Slack do.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("cannot reach the endpoint: %w", err)
}
