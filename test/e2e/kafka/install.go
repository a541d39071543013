// Package kafka installs and runs real Apache Kafka brokers for the end-to-end tests: jars through Maven, certificates made on the spot,
// processes started, killed and restarted on loopback.
package kafka

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Versions of what is installed: brokers with their console tools, and the client library of the Java driver.
const (
	Broker4    = "broker-4.3.1"
	Broker3    = "broker-3.9.1"
	JavaClient = "clients-4.4.0"
)

//go:embed jars/broker-4.3.1.xml
var pomBroker4 string

//go:embed jars/broker-3.9.1.xml
var pomBroker3 string

//go:embed jars/clients-4.4.0.xml
var pomClients string

// Jars makes sure that the jars of one of the constants above are in cache and returns their folder. An earlier installation
// of the same pom is used as it is.
func Jars(cache, what string) (string, error) {
	pom := map[string]string{Broker4: pomBroker4, Broker3: pomBroker3, JavaClient: pomClients}[what]
	dir := filepath.Join(cache, what)
	if Installed(dir, pom) {
		return dir, nil
	}
	if err := Need("mvn", "Maven (Debian: apt-get install maven)"); err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(cache, what+".xml")
	if err := os.WriteFile(file, []byte(pom), 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command("mvn", "-q", "-B", "-f", file, "dependency:copy-dependencies", "-DoutputDirectory="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mvn for %s: %w\n%s", what, err, out)
	}
	return dir, MarkInstalled(dir, pom)
}

const stamp = ".installed"

// Installed tells whether dir holds what MarkInstalled noted for the same recipe.
func Installed(dir string, recipe ...string) bool {
	have, err := os.ReadFile(filepath.Join(dir, stamp))
	return err == nil && string(have) == hash(recipe)
}

// MarkInstalled notes that dir holds the complete outcome of recipe.
func MarkInstalled(dir string, recipe ...string) error {
	return os.WriteFile(filepath.Join(dir, stamp), []byte(hash(recipe)), 0o644)
}

func hash(recipe []string) string {
	sum := sha256.Sum256([]byte(strings.Join(recipe, "\x00")))
	return hex.EncodeToString(sum[:])
}

// Need fails with a sentence that tells how to get program when it is not on PATH.
func Need(program, how string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("the end-to-end tests need %q on PATH: install %s", program, how)
	}
	return nil
}
