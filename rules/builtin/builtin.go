// Package builtin holds the rules that come with warder, one in each file, and
// the table that puts them in order. Nothing registers itself.
package builtin

import "warder/rules"

// Specs is the table of all rules, in the order in which they are called.
func Specs() []rules.Spec {
	return []rules.Spec{
		tombstoneSpec(),
		tombstoneSpikeSpec(),
		emptyValueSpec(),
		heartbeatGapSpec(),
		pollGapSpec(),
		rebalanceStormSpec(),
		stuckPartitionSpec(),
		lagSkewSpec(),
		poisonMessageSpec(),
		keyDriftSpec(),
		partitionerMixSpec(),
		partitionCountChangeSpec(),
		hotPartitionSpec(),
		retentionLossSpec(),
		offsetResetSpec(),
		offsetRewindSpec(),
		wrongTopicSpec(),
		formatDriftSpec(),
		nullFieldDriftSpec(),
		transactionStallSpec(),
		transactionAbortsSpec(),
		producerFencedSpec(),
		unsafeProducerSpec(),
		untunedProducerSpec(),
		untunedConsumerSpec(),
		connectionChurnSpec(),
		compactedEventStreamSpec(),
		groupExpirySpec(),
		timeoutMisfitSpec(),
		idleMemberSpec(),
		dangerousAdminSpec(),
	}
}
