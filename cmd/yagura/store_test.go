package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/eventstore"
)

// TestTheWordsOfTheStoreAreExplained puts a file into the store that nobody knows, and reads what the word that stands
// beside it means, in both languages.
func TestTheWordsOfTheStoreAreExplained(t *testing.T) {
	explained := map[string]string{}
	for _, w := range stateWords() {
		explained[w[0]] = w[1]
	}
	for _, state := range []string{eventstore.Missing, eventstore.Altered, eventstore.Unreadable, eventstore.Unjudged, eventstore.Redundant, eventstore.Unfinished, eventstore.Kept} {
		if explained[state] == "" {
			t.Errorf("nobody explains %q", state)
		}
	}
	dir := t.TempDir()
	c, end, err := serveIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	end()
	folder := filepath.Join(c.data, "segments", uuid.NewString(), "2026-11-30")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "0-1-2.parquet"), []byte("PAR1 nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, end, err = serveIn(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	c.t = t
	for language, state := range map[string]int{"en": 0, "ja": 0} {
		var out string
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
			if out, _, _ = c.in(language, nil, "store"); strings.Contains(out, ".parquet") {
				break
			}
		}
		tongue := tongueOf(language)
		for _, w := range stateWords() {
			if strings.Contains(strings.ReplaceAll(strings.ReplaceAll(out, " ", ""), "\n", ""), strings.ReplaceAll(tongue.Say(w[1]), " ", "")) {
				state++
			}
		}
		if state == 0 {
			t.Errorf("%s: no word is explained:\n%s", language, out)
		}
	}
}
