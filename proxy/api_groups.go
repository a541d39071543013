package proxy

import (
	"hash/maphash"
	"slices"

	"warder/protocol/messages"
	"warder/rules"
)

// What every kind of group says of its topics.
//
// Behaviour: a subscription is told when the list is new for the group on this
// connection: members join again at every rebalance.
//
// Version notes: the topics of a JoinGroup stand in the metadata of each protocol,
// a message of its own with its own versions. The heartbeats (KIP-848, KIP-932)
// name topics when a member joins and when they change, else null; a pattern
// exists from version 1 of ConsumerGroupHeartbeat on. Streams (KIP-1071) tells its
// topology when it joins.

// maxSubscriptions bounds the groups that one connection is remembered to be in.
// Consumers are in one; beyond the bound all are forgotten, and told again.
const maxSubscriptions = 16

// subscriptionSeed makes the hashes below hard to guess.
var subscriptionSeed = maphash.MakeSeed()

// subscriptions remembers what the groups on one connection subscribed to last,
// as a hash: at most maxSubscriptions times some 80 bytes and the group's name. It
// belongs to the request loop.
type subscriptions map[string]uint64

// news notes a subscription and says whether it differs from the one before.
func (m *subscriptions) news(s *messages.Subscription) bool {
	var h maphash.Hash
	h.SetSeed(subscriptionSeed)
	for _, text := range append(slices.Clip(s.Topics), s.Pattern) {
		h.WriteString(text)
		h.WriteByte(0)
	}
	if sum, known := (*m)[s.Group]; known && sum == h.Sum64() {
		return false
	}
	if *m == nil || len(*m) >= maxSubscriptions {
		*m = subscriptions{}
	}
	(*m)[s.Group] = h.Sum64()
	return true
}

// tellSubscription tells rules what a request subscribes to, if it is news.
func (s *session) tellSubscription(sub *messages.Subscription) {
	if sub.Said && s.subscribed.news(sub) {
		s.emit(rules.Subscribed{
			At: s.in.readAt, Client: s.identity.Load(), Group: sub.Group, Topics: sub.Topics, Pattern: sub.Pattern,
		})
	}
}
