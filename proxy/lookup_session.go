package proxy

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/messages"
	"warder/rules"
)

const (
	// maxSessionGroups bounds the groups that are remembered to have been asked for.
	maxSessionGroups = 10_000
	// sessionLifetime is how long an answer about a group is believed.
	sessionLifetime = time.Hour
	// sessionRetry is how long no question about a group follows one without an answer.
	sessionRetry = time.Minute
)

// wantSession asks for the session timeout of a group by KIP-848, which no member is
// told. Without an answer the brokers' default is assumed.
func (l *lookups) wantSession(s *session, group string) {
	key := topicKey{group: group}
	l.mu.Lock()
	next, _ := l.sessions.Get(group)
	due := !l.srv.now().Before(next) && l.openLocked(key)
	l.mu.Unlock()
	if due {
		l.ask(s, messages.NewDescribeGroupSession(group), func(resp kmsg.Response, err error) { l.learnSession(group, resp, err) }, []topicKey{key})
	}
}

func (l *lookups) learnSession(group string, resp kmsg.Response, err error) {
	key, now := []topicKey{{group: group}}, l.srv.now()
	next := now.Add(sessionLifetime)
	configs, code := messages.GroupConfig(resp)
	switch {
	case err != nil:
		next = now.Add(sessionRetry)
	case code == kerr.GroupAuthorizationFailed.Code:
		next = now.Add(refusalLifetime)
		l.srv.metrics.lookups.WithLabelValues("DescribeConfigs", "any", "refused").Inc()
	case code != 0: // brokers before 3.8 know no configuration of groups
	default:
		text, _ := messages.ConfigValue(configs, messages.GroupSession)
		if ms, err := strconv.ParseInt(text, 10, 32); err == nil && ms > 0 {
			l.srv.engine.Emit(rules.GroupConfigured{At: now, Group: group, SessionTimeout: time.Duration(ms) * time.Millisecond})
		}
	}
	l.mu.Lock()
	l.sessions.Put(group, next)
	l.mu.Unlock()
	l.settle(key)
}
