package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"warder/configs"
)

// hostileName is what a client may call itself or a topic.
const hostileName = "shop\n{\"level\":\"error\",\"message\":\"forged\"}\r\x1b[2J\x1b]0;title\x07\u202e\xff\"'\\"

// A name that a client chose makes no line of its own in the log, and does nothing to
// the terminal that shows it.
func TestHostileNamesCannotForgeTheLog(t *testing.T) {
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			log := newLog(&out, configs.Log{Level: "info", Format: format})
			log.Warn().Str("client_id", hostileName).Strs("topics", []string{hostileName}).Bytes("bytes", []byte(hostileName)).Msg("null value written by " + hostileName)
			text := out.String()
			if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
				t.Errorf("not one line:\n%q", text)
			}
			if at := strings.IndexFunc(strings.TrimSuffix(text, "\n"), unicode.IsControl); at >= 0 {
				t.Errorf("a control character at %d:\n%q", at, text)
			}
			if format != "json" {
				return
			}
			var line map[string]any
			if err := json.Unmarshal([]byte(text), &line); err != nil || line["level"] != "warn" {
				t.Errorf("%v: %q", err, text)
			}
		})
	}
}
