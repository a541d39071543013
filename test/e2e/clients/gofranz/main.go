// Command gofranz is the driver for franz-go; the protocol is described in ../../README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"warder/test/e2e/clients/godriver"
)

// limit bounds every operation that has no time of its own.
const limit = time.Minute

var capabilities = []string{
	"admin", "create_partitions", "alter_configs", "delete_records", "list_offsets", "describe_cluster",
	"group_offsets", "delete_group", "idempotent", "transactions", "send_offsets",
	"codec:gzip", "codec:snappy", "codec:lz4", "codec:zstd",
	"headers", "null_header_values", "null_key_and_value", "timestamps", "acks0", "group", "group:consumer", "group:share",
	"sasl:PLAIN", "sasl:SCRAM-SHA-256", "sasl:SCRAM-SHA-512", "tls", "mtls",
}

func main() {
	d := &godriver.Driver{Operations: map[string]godriver.Operation{"hello": hello}, Describe: describe, Close: closeAll}
	for _, more := range []map[string]godriver.Operation{adminOperations(), producerOperations, consumerOperations} {
		maps.Copy(d.Operations, more)
	}
	d.Main()
}

func hello(*godriver.Request) (any, error) {
	return map[string]any{"client": "franz-go", "version": version("github.com/twmb/franz-go"), "capabilities": capabilities}, nil
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, dep := range info.Deps {
			if dep.Path == module {
				return dep.Version
			}
		}
	}
	return "unknown"
}

// describe names Kafka's errors by kerr's name, others by their Go type.
func describe(err error) *godriver.Failure {
	f := &godriver.Failure{Name: fmt.Sprintf("%T", err), Message: err.Error()}
	if k, ok := errors.AsType[*kerr.Error](err); ok {
		f.Name, f.Code, f.Retriable = k.Message, &k.Code, &k.Retriable
	}
	return f
}

// because adds the broker's own text, which kadm keeps beside the error.
func because(err error, text string) error {
	if err == nil || text == "" {
		return err
	}
	return fmt.Errorf("%w (broker: %s)", err, text)
}

func within(r *godriver.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), godriver.Millis(r.TimeoutMs, int(limit.Milliseconds())))
}

func withTime() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

func closeAll() {
	for _, m := range members.TakeAll() {
		m.close()
	}
	for _, p := range producers.TakeAll() {
		p.client.Close()
	}
}
