package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestDriversOwnTests runs the unit tests of the drivers that are not written in Go, with the libraries that were installed for them.
func TestDriversOwnTests(t *testing.T) {
	for client, test := range map[string]*exec.Cmd{
		"kafka-python": inFolder("kafkapython", filepath.Join(w.cache, "venv-kafkapython", "bin", "python"), "-m", "unittest"),
		"kafkajs":      inFolder("kafkajs", "node", "--test"),
	} {
		t.Run(client, func(t *testing.T) {
			if !slices.Contains(clientNames(), client) {
				t.Skip("E2E_CLIENTS leaves it out")
			}
			if out, err := test.CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", test.Args, err, out)
			}
		})
	}
}

func inFolder(folder, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = filepath.Join("clients", folder)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "NODE_PATH="+filepath.Join(w.cache, "kafkajs", "node_modules"))
	return cmd
}
