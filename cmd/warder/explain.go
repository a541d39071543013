package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warder/rules"
)

func (a *app) explainCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "explain FINDING-ID", Short: "one finding: what was seen, what nearly allowed it, and the YAML that would; or a group",
		Args: usage(cobra.ExactArgs(1)),
	}
	c.AddCommand(a.explainGroupCommand())
	client := a.adminFlags(c)
	outputFlag(c, &format)
	c.RunE = func(c *cobra.Command, args []string) error {
		found, err := findings[rules.Finding](c.Context(), client, url.Values{"limit": {"1000"}})
		if err != nil {
			return err
		}
		f, err := byID(found, args[0])
		if err != nil {
			return err
		}
		var effective effectiveConfig
		if err := client.getJSON(c.Context(), "/api/v1/config", nil, &effective); err != nil {
			return err
		}
		e := explanation{Finding: f, Exceptions: effective.nearMisses(f), Allow: f.AllowYAML(), Suppress: f.SuppressYAML(time.Now().AddDate(0, 3, 0))}
		if format == "json" {
			return writeJSON(a.stdout, e)
		}
		return e.write(a.stdout)
	}
	return c
}

// byID finds a finding by its id or the unique beginning or end of it.
func byID(found []rules.Finding, id string) (rules.Finding, error) {
	var matches []rules.Finding
	for _, f := range found {
		if strings.EqualFold(f.ID, id) {
			return f, nil
		}
		upper := strings.ToUpper(id)
		if strings.HasPrefix(f.ID, upper) || strings.HasSuffix(f.ID, upper) {
			matches = append(matches, f)
		}
	}
	switch len(matches) {
	case 0:
		return rules.Finding{}, fmt.Errorf("no finding %s is kept by that warder; `warder findings` lists them", id)
	case 1:
		return matches[0], nil
	default:
		return rules.Finding{}, usageError("%d findings fit %s; give more of the id", len(matches), id)
	}
}

// explanation is what `explain --output json` shows.
type explanation struct {
	Finding    rules.Finding `json:"finding"`
	Exceptions []nearMiss    `json:"exceptions"` // allow entries of the rule, and why each did not apply
	Allow      string        `json:"allow"`      // YAML that would except it; empty when no topic or client is at fault
	Suppress   string        `json:"suppress"`   // YAML that would silence it for a while
}

// nearMiss is one allow entry that did not apply.
type nearMiss struct {
	Entry string   `json:"entry"`
	Fails []string `json:"fails"`
}

// effectiveConfig is the part of /api/v1/config that explain reads.
type effectiveConfig struct {
	Rules map[string]struct {
		Allow []map[string]string `json:"allow"`
	} `json:"rules"`
}

// nearMisses says of each allow entry of the finding's rule which of its
// conditions did not hold.
func (c effectiveConfig) nearMisses(f rules.Finding) []nearMiss {
	rule, ok := c.Rules[f.Rule]
	if !ok {
		rule = c.Rules["defaults"]
	}
	misses := []nearMiss{}
	for _, entry := range rule.Allow {
		var m nearMiss
		var parts []string
		for _, k := range []struct{ key, value string }{
			{"topic", f.Subject.Topic}, {"client_id", f.Subject.ClientID}, {"principal", f.Subject.Principal},
		} {
			pattern := entry[k.key]
			if pattern == "" {
				continue
			}
			parts = append(parts, fmt.Sprintf("%s: %q", k.key, pattern))
			if g, err := rules.CompileGlobs(pattern); err != nil || !g.Match(k.value) {
				m.Fails = append(m.Fails, fmt.Sprintf("%s is %q, not %q", k.key, k.value, pattern))
			}
		}
		m.Entry = "{" + strings.Join(parts, ", ") + "}"
		misses = append(misses, m)
	}
	return misses
}

func (e explanation) write(w io.Writer) error {
	f := e.Finding
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", printable(f.Summary))
	fmt.Fprintf(&b, "finding   %s, %s, %s\n", f.ID, f.Severity, actionOf(f))
	fmt.Fprintf(&b, "rule      %s (warder rules explain %s)\n", f.Rule, f.Rule)
	fmt.Fprintf(&b, "seen      %d times, %s to %s\n", f.Count, f.FirstTime.Local().Format(time.DateTime), f.LastTime.Local().Format(time.DateTime))
	for _, k := range []struct{ name, value string }{
		{"topic", f.Subject.Topic}, {"group", f.Subject.Group}, {"client", f.Subject.ClientID}, {"principal", f.Subject.Principal},
		{"from", f.Subject.Remote}, {"software", f.Subject.Software}, {"cluster", f.Cluster},
	} {
		if k.value != "" {
			fmt.Fprintf(&b, "%-9s %s\n", k.name, printable(k.value))
		}
	}
	b.WriteString("\nWhat was seen:\n")
	for _, fact := range f.Evidence {
		fmt.Fprintf(&b, "  %s: %s\n", fact.Name, printable(fmt.Sprint(fact.Value)))
	}
	fmt.Fprintf(&b, "\n%s\n", printable(f.Advice))
	if len(e.Exceptions) > 0 {
		b.WriteString("\nExceptions that did not apply:\n")
		for _, m := range e.Exceptions {
			fmt.Fprintf(&b, "  %s: %s\n", printable(m.Entry), printable(strings.Join(m.Fails, "; ")))
		}
	}
	if e.Allow != "" {
		fmt.Fprintf(&b, "\nTo allow it on purpose:\n\n%s", indent(e.Allow))
	}
	fmt.Fprintf(&b, "\nTo silence it for a while (what is blocked stays blocked):\n\n%s", indent(e.Suppress))
	_, err := io.WriteString(w, b.String())
	return err
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n    ") + "\n"
}
