package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneEmptyValue() demoScene {
	return demoScene{
		rule: "empty-value", config: "{action: block, learn: 1}",
		topics: []embedded.Topic{compactedTopic("addresses"), compactedTopic("subscribers")},
		acts: []demoAct{
			{
				client: "address-form", does: "value {} on compacted topic addresses",
				because: "JSON.stringify leaves out what is undefined, here all of it. That is not null, so no tombstone; the address is gone all the same.",
				found:   true, refused: true,
				play: afterwards("crm", "addresses", func(i int) []byte { return fmt.Appendf(nil, `{"street":"Elm Street","number":%d}`, i) },
					playWrite("address-form", &kgo.Record{Topic: "addresses", Key: []byte("customer-1"), Value: []byte("{}")})),
			},
			{
				client: "newsletter", does: "empty value where all values are empty",
				because: "Topic subscribers is a set: the key says it all. What is usual on a topic is no mistake.",
				play: afterwards("signup-form", "subscribers", func(int) []byte { return []byte{} },
					playWrite("newsletter", &kgo.Record{Topic: "subscribers", Key: []byte("customer-1"), Value: []byte{}})),
			},
		},
	}
}

// demoBefore is how many records a topic has before a mistake is made that is seen by comparison. It is few enough for
// warder to look at each: it takes samples where there are many.
const demoBefore = 24

// afterwards lets a client write ordinary records to a topic, one for each of some keys, before play.
func afterwards(client, topic string, value func(i int) []byte, play func(context.Context, *demoStage) (bool, error)) func(context.Context, *demoStage) (bool, error) {
	return func(ctx context.Context, st *demoStage) (bool, error) {
		if err := st.prepare(ctx, client, recordsOf(topic, demoBefore, value)); err != nil {
			return false, err
		}
		return play(ctx, st)
	}
}

// recordsOf makes n records, each with a key of its own.
func recordsOf(topic string, n int, value func(i int) []byte) []*kgo.Record {
	all := make([]*kgo.Record, n)
	for i := range all {
		all[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "customer-%d", i), Value: value(i)}
	}
	return all
}

func sceneFormatDrift() demoScene {
	return demoScene{
		rule: "format-drift", config: "{action: block, first_look: 0s, baseline: 10, pins: [{topic: invoices, value: confluent}]}",
		topics: []embedded.Topic{{Name: "prices", Partitions: 1}, {Name: "invoices", Partitions: 1}},
		acts: []demoAct{
			{
				client: "price-script", does: "JSON on topic prices, so far Avro",
				because: "Somebody corrects prices with a script. For the broker bytes are bytes; consumers fail (\"Unknown magic byte!\") and fetch the same record for ever.",
				found:   true, once: true,
				play: afterwards("pricing", "prices", avroFrame, playWrite("price-script", recordsOf("prices", 4, priceJSON)...)),
			},
			{
				client: "invoice-fix", does: "JSON on topic invoices, pinned to Avro",
				because: "The same mistake where the topic's owner has said what it holds: a pin needs no history, and what breaks it can be refused.",
				found:   true, refused: true,
				play: playWrite("invoice-fix", recordsOf("invoices", 1, priceJSON)...),
			},
		},
	}
}

// avroFrame is what Confluent's Avro serializer writes: a zero byte, the id of the schema, and the fields one after the
// other, here a string and a number.
func avroFrame(i int) []byte { return append([]byte{0, 0, 0, 0, 7, 6}, 'E', 'U', 'R', byte(2*i)) }

func priceJSON(i int) []byte { return fmt.Appendf(nil, `{"currency":"EUR","cents":%d}`, 100*i) }

func sceneNullFieldDrift() demoScene {
	return demoScene{
		rule: "null-field-drift", config: "{baseline: 20, window: 20, never_null: 20}",
		topics: []embedded.Topic{{Name: "contacts", Partitions: 1}},
		acts: []demoAct{{
			client: "contact-sync", does: "null in a field that was always there",
			because: "In a new release a property has another name, and what readers count on is null from now on. The JSON is as good as before.",
			found:   true, once: true,
			play: afterwards("contact-sync", "contacts", func(i int) []byte { return contactJSON(i, `"ada@example.com"`) },
				playWrite("contact-sync", recordsOf("contacts", 6, func(i int) []byte { return contactJSON(i, "null") })...)),
		}},
	}
}

func contactJSON(i int, email string) []byte {
	return fmt.Appendf(nil, `{"id":%d,"name":"Ada","email":%s}`, i, email)
}
