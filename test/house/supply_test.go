package house

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type licence struct {
	name  string
	words []string
}

// licences are those that the modules in the binary may have, each by words that no
// other one has. The first that fits counts.
var licences = []licence{
	{"Apache-2.0", []string{"Apache License", "Version 2.0"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "endorse or promote products"}},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms"}},
	{"ISC", []string{"Permission to use, copy, modify, and/or distribute this software for any purpose"}},
	{"MIT", []string{"Permission is hereby granted, free of charge"}},
}

// copyleft may not hide behind such words: a file may hold two licences.
var copyleft = regexp.MustCompile(`GNU (LESSER |AFFERO |Affero |Lesser )?(GENERAL|General)|Mozilla Public License|SERVER SIDE PUBLIC|Business Source License`)

func licenceOf(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if found := copyleft.FindString(text); found != "" {
		return found
	}
	for _, l := range licences {
		if !slices.ContainsFunc(l.words, func(w string) bool { return !strings.Contains(text, w) }) {
			return l.name
		}
	}
	return ""
}

// Whoever passes the binary on may do so: each module in it has a licence that asks
// for no more than to be named.
func TestLicencesOfWhatIsLinked(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", "./cmd/warder")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			modules[path] = dir
		}
	}
	if len(modules) < 10 {
		t.Fatalf("only %d modules: %v", len(modules), modules)
	}
	for path, dir := range modules {
		found, _ := filepath.Glob(filepath.Join(dir, "LICENSE*"))
		if len(found) == 0 {
			t.Errorf("%s has no licence", path)
		}
		for _, file := range found {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			l := licenceOf(string(text))
			if !slices.ContainsFunc(licences, func(ok licence) bool { return ok.name == l }) {
				t.Errorf("%s: its %s is none of those that we pass on (%q)", path, filepath.Base(file), l)
			}
		}
	}
}

func TestLicencesAreToldApart(t *testing.T) {
	for want, text := range map[string]string{
		"Apache-2.0":             "Apache License\n   Version 2.0, January 2004",
		"BSD-3-Clause":           "Redistribution and use in source\nand binary forms ... to endorse or\n promote products",
		"MIT":                    "Permission is hereby granted, free of charge, to any person",
		"GNU GENERAL":            "GNU GENERAL PUBLIC LICENSE",
		"Mozilla Public License": "Permission is hereby granted, free of charge ... Mozilla Public License Version 2.0",
		"":                       "All rights reserved.",
	} {
		if got := licenceOf(text); got != want {
			t.Errorf("%q taken for %q, want %q", text, got, want)
		}
	}
}

// The image: one binary, no shell, nobody's root, built by the Go of go.mod.
func TestImageHoldsTheBinaryAlone(t *testing.T) {
	build, last, ok := strings.Cut(read(t, "Dockerfile"), "\nFROM scratch\n")
	if !ok || strings.Contains(last, "\nFROM") {
		t.Fatal("the last stage is not FROM scratch")
	}
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)$`).FindStringSubmatch(read(t, "go.mod"))
	if toolchain == nil || !strings.Contains(build, "\nFROM golang:"+toolchain[1]+" AS build\n") {
		t.Errorf("not built by the toolchain of go.mod, %v", toolchain)
	}
	if !regexp.MustCompile(`(?m)^USER [1-9][0-9]*:[1-9][0-9]*$`).MatchString(last) {
		t.Error("no USER in numbers other than 0, by which Kubernetes knows that it is not root")
	}
	for line := range strings.Lines(last) {
		switch word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case "RUN", "SHELL", "ADD", "HEALTHCHECK":
			t.Errorf("%s in an image without a shell: %s", word, line)
		case "ENTRYPOINT", "CMD":
			if !strings.HasPrefix(rest, `["`) {
				t.Errorf("wants a shell: %s", line)
			}
		}
	}
}

// What needs no C library and no loader runs on an empty image.
func TestBinaryIsStatic(t *testing.T) {
	if !exists("bin/warder") {
		t.Skip("SKIP: bin/warder is not built; `make test` builds it first")
	}
	binary, err := elf.Open(filepath.Join(root, "bin/warder"))
	if err != nil {
		t.Skip("SKIP: bin/warder is for another system: ", err)
	}
	defer binary.Close() //nolint:errcheck // it was only read
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("bin/warder has a part %v", p.Type)
		}
	}
}

// What is installed to build or check has a version.
func TestToolsArePinned(t *testing.T) {
	install := regexp.MustCompile(`(?:\bgo\)? (?:install|run)|pip install|npm install) [^\n]*`)
	pinned := regexp.MustCompile(`@v?[0-9]|==[0-9]| \./`)
	found := 0
	for _, name := range []string{"Makefile", ".ci/run", "Dockerfile", "test/e2e/Makefile"} {
		for _, line := range install.FindAllString(strings.ReplaceAll(read(t, name), "$(GO) install", "go install"), -1) {
			found++
			if !pinned.MatchString(line) {
				t.Errorf("%s: whatever version is out that day: %s", name, line)
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d tools were looked at", found)
	}
}
