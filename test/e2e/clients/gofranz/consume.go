package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/test/e2e/clients/godriver"
)

// consume reads all partitions of a topic to their ends as they were at the start.
func consume(r *godriver.Request) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), godriver.Millis(r.TimeoutMs, 30000))
	defer cancel()
	starts, ends, err := bounds(ctx, r)
	if err != nil {
		return nil, err
	}
	digests := godriver.NewDigests(r.Raw)
	if len(ends) == 0 {
		return digests.Result(), nil
	}
	// Control records are kept since they may be the last before an end; the digest leaves them out.
	opts := []kgo.Opt{isolation(r), kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.Topic: starts})}
	if r.MaxFetchBytes > 0 {
		opts = append(opts, kgo.FetchMaxPartitionBytes(int32(r.MaxFetchBytes)))
		if r.MaxFetchBytes > 50<<20 {
			opts = append(opts, kgo.FetchMaxBytes(int32(r.MaxFetchBytes)))
		}
	}
	client, err := connect(&r.Conn, opts...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%d partitions not read to their end: %w", len(ends), err)
		}
		if errs := fetches.Errors(); len(errs) > 0 {
			return nil, errs[0].Err
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			end, open := ends[rec.Partition]
			if open && rec.Offset < end && !rec.Attrs.IsControl() {
				digests.Add(fromKgo(rec))
			}
			if open && rec.Offset+1 >= end {
				delete(ends, rec.Partition)
			}
		})
	}
	return digests.Result(), nil
}

// bounds finds where to start and where to end in each partition that is not empty.
func bounds(ctx context.Context, r *godriver.Request) (map[int32]kgo.Offset, map[int32]int64, error) {
	client, err := connect(&r.Conn)
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	listEnds := admin.ListEndOffsets
	if r.Isolation == "read_committed" {
		listEnds = admin.ListCommittedOffsets
	}
	first, err := admin.ListStartOffsets(ctx, r.Topic)
	if err == nil {
		err = first.Error()
	}
	if err != nil {
		return nil, nil, err
	}
	last, err := listEnds(ctx, r.Topic)
	if err == nil {
		err = last.Error()
	}
	if err != nil {
		return nil, nil, err
	}
	starts, ends := map[int32]kgo.Offset{}, map[int32]int64{}
	last.Each(func(end kadm.ListedOffset) {
		if start, ok := first.Lookup(r.Topic, end.Partition); ok && start.Offset < end.Offset {
			starts[end.Partition], ends[end.Partition] = kgo.NewOffset().At(start.Offset), end.Offset
		}
	})
	return starts, ends, nil
}
