package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestConsoleInChromium signs in with the one-time link in a real browser and reads the web-shell and
// spear-phish stories in both languages (web/e2e/run.mjs has the journey and its checks).
func TestConsoleInChromium(t *testing.T) {
	needRoot(t)
	web := webTools(t)
	h := startHouse(t)
	h.reporting()
	args := []string{"e2e/run.mjs", "--url", h.ready.URL, "--sign-in", h.ready.SignIn, "--data", h.data, "--shots", t.TempDir()}
	for _, story := range [][]string{{"web-shell"}, {"spear-phish", "closed"}} {
		before := h.incidents()
		steps := runAttack(t, story[0], story[1:]...)
		var found []string
		h.eventually(10*time.Second, "the story is an incident", func() error {
			if found = h.incidentsWith(before, steps); len(found) == 0 {
				return os.ErrNotExist
			}
			return nil
		})
		if !slices.Contains(args, found[0]) {
			args = append(args, "--incident", found[0])
		}
	}
	script, err := filepath.Abs(filepath.Join("..", "..", "dev", "attacks", "web-shell.sh"))
	if err != nil {
		t.Fatal(err)
	}
	args = append(args, "--attack", "bash "+script) // shows on the open page without being touched
	time.Sleep(2 * time.Second)                     // the last events of the story
	cmd := exec.Command("node", args...)
	cmd.Dir = web
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("web/e2e/run.mjs: %v", err)
	}
}

// TestEveryButtonAndKeyInChromium presses every control and key of the console once in both languages and opens the
// link of a mail that was really sent (web/e2e/clicks.mjs, what must happen is in web/e2e/table.mjs). It needs no
// sensor: the server is fed with our authored attacks.
func TestEveryButtonAndKeyInChromium(t *testing.T) { inChromium(t, "e2e/clicks.mjs") }

// TestNoSessionForAnotherPortInChromium lets a signed-in browser meet web servers on other local ports, and one on the
// console's own port while the server is down (web/e2e/theft.mjs). A cookie gave them the session.
func TestNoSessionForAnotherPortInChromium(t *testing.T) { inChromium(t, "e2e/theft.mjs") }

// TestStoreThatIsNotWholeInChromium reads the Store screen over a missing segment, a file that nobody names and a
// quarantine, and takes in again what lies there (web/e2e/store.mjs). The console had no word of any of them.
func TestStoreThatIsNotWholeInChromium(t *testing.T) { inChromium(t, "e2e/store.mjs") }

// TestANightWithoutAMouseInChromium works a queue by keys alone while the server is killed, the line is cut and reads
// fail (web/e2e/keyboard.mjs). The focus was lost with each control that left, ] led into the filter, J began again at
// the first row after an incident was closed, and a tail that broke stayed broken.
func TestANightWithoutAMouseInChromium(t *testing.T) { inChromium(t, "e2e/keyboard.mjs") }

// webTools gives the folder of the console's tests, or skips where there is no browser or no tools for it.
func webTools(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("needs Chromium: apt-get install chromium")
	}
	web, err := filepath.Abs("../../web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(web, "node_modules", "playwright-core")); err != nil {
		t.Skip("needs the console's tools: run `make e2e`")
	}
	return web
}

// inChromium runs a script that starts its own server without a sensor.
func inChromium(t *testing.T, script string) {
	t.Helper()
	if testing.Short() {
		t.Skip("drives a browser for minutes")
	}
	web := webTools(t)
	cmd := exec.Command("node", script, "--bin", filepath.Join(binaries(t), "yagura"))
	cmd.Dir = web
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("web/%s: %v", script, err)
	}
}
