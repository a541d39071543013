package main

import "strings"

type kafkaSample struct{}

func (b *bench) runKafka() error { return nil }

func (r *result) kafkaGoals() []goal { return nil }

func (r *result) writeKafka(*strings.Builder) {}
