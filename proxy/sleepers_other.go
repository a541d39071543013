//go:build !linux

package proxy

import "context"

// sleepers is nobody: sessions do not rest.
type sleepers struct{}

func newSleepers() (*sleepers, error) { return nil, nil } //nolint:nilnil // nil is in order

func (*sleepers) run(context.Context) {}

func (*sleepers) add(*socket, *session) bool { return false }

func (*sleepers) drop(*socket) {}
