// Package sink brings findings to where people look: the log, a file, and a
// ring in memory that the admin interface serves.
//
// A sink writes one finding at a time and may be slow or broken; [Queue] puts
// it behind a bounded queue and its own goroutine, so that it delays nobody.
// What does not fit is dropped and counted.
package sink

import "warder/rules"

// Sink takes findings. It is used by one goroutine at a time and must not keep
// or change the finding.
type Sink interface {
	// Name is the sink's name in metrics: log, file, kafka, webhook.
	Name() string
	// Write brings one finding out. An error is counted and logged; the
	// finding is not tried again.
	Write(f *rules.Finding) error
	// Close flushes what is buffered. Write is not called afterwards.
	Close() error
}

// Interrupter is a Sink whose Write may take long. After Interrupt, which anybody
// may call at any time, a Write under way and those that follow end soon: they try
// once, and wait for nobody.
type Interrupter interface {
	Interrupt()
}

// Interrupt interrupts a sink that can be.
func Interrupt(s Sink) {
	if i, ok := s.(Interrupter); ok {
		i.Interrupt()
	}
}
