// Command gosarama is the driver for sarama; the protocol is described in ../../README.md.
package main

import (
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"runtime/debug"
	"time"

	"github.com/IBM/sarama"

	"warder/test/e2e/clients/godriver"
)

// limit bounds every operation that has no time of its own.
const limit = time.Minute

var capabilities = []string{
	"admin", "create_partitions", "alter_configs", "delete_records", "list_offsets", "describe_cluster",
	"group_offsets", "delete_group", "idempotent", "transactions", "send_offsets",
	"codec:gzip", "codec:snappy", "codec:lz4", "codec:zstd",
	"headers", "null_header_values", "null_key_and_value", "timestamps", "acks0", "group",
	"sasl:PLAIN", "sasl:SCRAM-SHA-256", "sasl:SCRAM-SHA-512", "tls", "mtls",
}

func main() {
	sarama.Logger = log.New(os.Stderr, "sarama ", log.Ltime|log.Lmicroseconds)
	d := &godriver.Driver{Operations: map[string]godriver.Operation{"hello": hello}, Describe: describe, Close: closeAll}
	for _, more := range []map[string]godriver.Operation{adminOperations(), producerOperations, consumerOperations} {
		maps.Copy(d.Operations, more)
	}
	d.Main()
}

func hello(*godriver.Request) (any, error) {
	return map[string]any{"client": "sarama", "version": version("github.com/IBM/sarama"), "capabilities": capabilities}, nil
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

// describe gives Kafka's code where the library kept it; sarama has no opinion on what can be retried.
func describe(err error) *godriver.Failure {
	f := &godriver.Failure{Name: fmt.Sprintf("%T", err), Message: err.Error()}
	if k, ok := errors.AsType[sarama.KError](err); ok {
		code := int16(k)
		f.Name, f.Code = "sarama.KError", &code
	}
	return f
}

func closeAll() {
	for _, m := range members.TakeAll() {
		_ = m.close()
	}
	for _, p := range producers.TakeAll() {
		p.AsyncClose()
	}
}
