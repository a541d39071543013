package main

import (
	"context"
	"fmt"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneKeyDrift() demoScene {
	return demoScene{
		rule: "key-drift", config: "{action: alert}",
		topics: []embedded.Topic{{Name: "shipments", Partitions: 12}},
		acts: []demoAct{{
			client: "parcel-router", topic: "shipments", does: "keys on other partitions than before",
			because: "A job writes records again and names their partitions itself, by a formula of its own. Two consumers now get the events of one parcel, in any order.",
			found:   true, once: true, play: playDrift,
		}},
	}
}

// playDrift writes some keys to the partitions next to those that they are on.
func playDrift(ctx context.Context, st *demoStage) (bool, error) {
	cl, err := st.shop.client("warehouse")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	all := recordsOf("shipments", 12, shipmentJSON)
	if err := cl.ProduceSync(ctx, all...).FirstErr(); err != nil {
		return false, fmt.Errorf("write shipments: %w", err)
	}
	moved := all[:3]
	for _, r := range moved {
		r.Partition = (r.Partition + 1) % 12
	}
	return st.write(ctx, "parcel-router", moved, kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

func shipmentJSON(i int) []byte { return fmt.Appendf(nil, `{"parcel":%d,"state":"on its way"}`, i) }

func scenePartitionerMix() demoScene {
	return demoScene{
		rule: "partitioner-mix", config: "{action: alert}",
		topics: []embedded.Topic{{Name: "inventory", Partitions: 12}},
		acts: []demoAct{{
			client: "stock-sync", topic: "inventory", does: "hashes keys otherwise than store-app",
			because: "A second service joins, in Python. Its library takes CRC32 where Java takes murmur2, so the same key goes elsewhere, and nothing shows it.",
			found:   true, once: true,
			play: afterwards("store-app", "inventory", stockJSON, playLikeLibrdkafka),
		}},
	}
}

// playLikeLibrdkafka writes other keys, by librdkafka's default partitioner and under its name.
func playLikeLibrdkafka(ctx context.Context, st *demoStage) (bool, error) {
	all := make([]*kgo.Record, demoBefore)
	for i := range all {
		all[i] = &kgo.Record{Topic: "inventory", Key: fmt.Appendf(nil, "item-%d", i), Value: stockJSON(i)}
	}
	byCRC := kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
		return func(r *kgo.Record, n int) int { return int(crc32.ChecksumIEEE(r.Key) % uint32(n)) }
	})
	return st.write(ctx, "stock-sync", all, kgo.RecordPartitioner(byCRC), kgo.SoftwareNameAndVersion("librdkafka", "2.16.0"))
}

func stockJSON(i int) []byte { return fmt.Appendf(nil, `{"in_stock":%d}`, 10+i) }

func scenePartitionCountChange() demoScene {
	return demoScene{
		rule: "partition-count-change", config: "{action: alert}",
		topics: []embedded.Topic{{Name: "bookings", Partitions: 12}},
		acts: []demoAct{{
			client: "platform-admin", topic: "bookings", does: "gives bookings 16 partitions, not 12",
			because: "Consumers are slow, so the topic gets more partitions. A key's partition is its hash modulo their number: most keys move, for good.",
			found:   true, once: true,
			play: afterwards("booking-api", "bookings", func(i int) []byte { return fmt.Appendf(nil, `{"seats":%d}`, 1+i%5) }, playMorePartitions),
		}},
	}
}

// playMorePartitions adds partitions to a topic in use.
func playMorePartitions(ctx context.Context, st *demoStage) (bool, error) {
	cl, err := st.shop.client("platform-admin")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	answers, err := kadm.NewClient(cl).UpdatePartitions(ctx, 16, "bookings")
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return false, fmt.Errorf("add partitions: %w", err)
	}
	st.print.field("developer", "The topic was altered.")
	return false, nil
}
