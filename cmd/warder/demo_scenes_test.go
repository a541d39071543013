package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"warder/proxy/embedded"
	"warder/rules/builtin"
)

// A rule cannot be forgotten in the demo.
func TestEveryRuleHasItsScene(t *testing.T) {
	var shown []string
	for _, s := range demoScenes() {
		shown = append(shown, s.rule)
	}
	for _, spec := range builtin.Specs() {
		if !slices.Contains(shown, spec.ID) {
			t.Errorf("nothing in demoScenes shows %s", spec.ID)
		}
	}
}

// Findings are told apart by who they speak of, so acts share neither clients nor topics, and each scene brings its own.
func TestScenesKeepApart(t *testing.T) {
	seen := map[string]string{}
	once := func(kind, name, who string) {
		if other, ok := seen[kind+name]; ok {
			t.Errorf("%s and %s both have %s %s", other, who, kind, name)
		}
		seen[kind+name] = who
	}
	for _, topic := range shopTopics {
		once("topic", topic.Name, "the shop")
	}
	for _, s := range demoScenes() {
		once("rule", s.rule, s.rule)
		for _, topic := range s.topics {
			once("topic", topic.Name, s.rule)
		}
		for _, a := range s.acts {
			once("client", a.client, s.rule)
			if a.group != "" {
				once("group", a.group, s.rule)
			}
			if a.topic != "" && !slices.ContainsFunc(s.topics, func(own embedded.Topic) bool { return own.Name == a.topic }) {
				t.Errorf("%s speaks of topic %s, which is not its own", s.rule, a.topic)
			}
		}
	}
}

// Chapters are told one after the other, and every scene is in one.
func TestScenesAreInChapters(t *testing.T) {
	var told []string
	for _, s := range demoScenes() {
		if len(told) > 0 && told[len(told)-1] == s.chapter {
			continue
		}
		if s.chapter == "" || slices.Contains(told, s.chapter) {
			t.Errorf("%s stands in chapter %q", s.rule, s.chapter)
		}
		told = append(told, s.chapter)
	}
}

// An act has room for who, what, why and the finding: the screen ends somewhere.
func TestActsAreToldInFewWords(t *testing.T) {
	for _, a := range demoActs(demoScenes()) {
		if title := a.title(); utf8.RuneCountInString(title) > 54 {
			t.Errorf("the table has no room for %q", title)
		}
		if lines := wrap(a.because, demoWidth-demoIndent); len(lines) > 2 || !strings.HasSuffix(a.because, ".") {
			t.Errorf("%s: because is not two lines of sentences: %q", a.client, lines)
		}
	}
}
