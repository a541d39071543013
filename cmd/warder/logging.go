package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"warder/configs"
)

// What zerolog has one of for the whole process is set once: a log may be made while
// another is written.
func init() {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000000Z07:00"
	zerolog.DurationFieldUnit = time.Millisecond
}

// newLog makes warder's log. The level is global, so that a reload changes it
// everywhere.
func newLog(w io.Writer, c configs.Log) zerolog.Logger {
	setLogLevel(c)
	f, isFile := w.(*os.File)
	console := c.Format == "console" || c.Format == "auto" && isFile && isTerminal(f)
	if console {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05.000", NoColor: !isFile || !wantsColour(f), FormatMessage: consoleMessage}
	}
	return zerolog.New(w).With().Timestamp().Logger()
}

func setLogLevel(c configs.Log) {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		panic(fmt.Sprintf("log level %q passed the configuration's check: %v", c.Level, err))
	}
	zerolog.SetGlobalLevel(level)
}

// consoleMessage writes the message, which for a finding quotes names that clients
// chose; zerolog writes it as it is, and quotes values only.
func consoleMessage(message any) string {
	if message == nil {
		return ""
	}
	return printable(fmt.Sprint(message))
}
