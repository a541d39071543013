package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"

	"warder/test/e2e/clients/godriver"
)

func listGroups(ctx context.Context, a *kadm.Client, _ *godriver.Request) (any, error) {
	groups, err := a.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{"groups": sorted(groups.Groups())}, nil
}

// describeGroup asks in the classic way first; a group of the KIP-848 protocol is not found so, and is asked for in its own.
func describeGroup(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	classic, err := a.DescribeGroups(ctx, r.Group)
	if err != nil {
		return nil, err
	}
	if one := classic[r.Group]; one.Err == nil && one.State != "Dead" {
		return map[string]any{"state": one.State, "members": len(one.Members)}, nil
	}
	consumer, err := a.DescribeConsumerGroups(ctx, r.Group)
	if err != nil {
		return nil, err
	}
	one := consumer[r.Group]
	if one.Err != nil {
		return nil, one.Err
	}
	return map[string]any{"state": one.State, "members": len(one.Members)}, nil
}

func deleteGroup(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	_, err := a.DeleteGroup(ctx, r.Group)
	return nil, err
}

func groupOffsets(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	found, err := a.FetchOffsets(ctx, r.Group)
	if err == nil {
		err = found.Error()
	}
	if err != nil {
		return nil, err
	}
	offsets := map[string]int64{}
	found.Each(func(o kadm.OffsetResponse) {
		if o.At >= 0 {
			offsets[godriver.PartitionName(o.Topic, o.Partition)] = o.At
		}
	})
	return map[string]any{"offsets": offsets}, nil
}
