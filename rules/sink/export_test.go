package sink

import "time"

// Hasten makes the first pause of a webhook that short.
func (s *Webhook) Hasten(pause time.Duration) { s.pause = pause }

// SetNow gives a webhook a clock.
func (s *Webhook) SetNow(now func() time.Time) { s.now = now }
