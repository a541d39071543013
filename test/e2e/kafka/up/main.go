// Command up starts the end-to-end tests' brokers by hand: go run ./kafka/up [-n 3] [-old]. It prints the addresses and runs until interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"warder/test/e2e/kafka"
)

func main() {
	n := flag.Int("n", 3, "brokers")
	old := flag.Bool("old", false, "Kafka 3.9.1 instead of 4.3.1")
	flag.Parse()
	if err := run(*n, *old); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(n int, old bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cache, err := filepath.Abs(".cache")
	if err != nil {
		return err
	}
	what := kafka.Broker4
	if old {
		what = kafka.Broker3
	}
	jars, err := kafka.Jars(cache, what)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kafka-up-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	certs, err := kafka.MakeCerts(dir)
	if err != nil {
		return err
	}
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := kafka.Start(starting, jars, filepath.Join(dir, "cluster"), n, certs)
	if err != nil {
		return err
	}
	defer c.Stop()
	fmt.Printf("PLAINTEXT %s\nSSL       %s\nmTLS      %s\nSASL      %s\nSASL_SSL  %s\nuser %s, password %s\nca %s\ncert %s\nkey %s\n", c.Bootstrap(kafka.Plaintext), c.Bootstrap(kafka.TLS),
		c.Bootstrap(kafka.MTLS), c.Bootstrap(kafka.SASL), c.Bootstrap(kafka.SASLTLS), kafka.User, kafka.Password, certs.CA, certs.ClientCert, certs.ClientKey)
	<-ctx.Done()
	return nil
}
