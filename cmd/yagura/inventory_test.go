package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/controldb"
)

// namedParts are paths and commands in a sentence.
var namedParts = regexp.MustCompile("`[^`]*`|/\\S*")

// TestAPartOfTheWrongKindEndsAStartWithWhatToDo puts files where folders were, folders where files were and garbage
// into keys: the answer names the thing, says what to do, and is in the language of the terminal.
func TestAPartOfTheWrongKindEndsAStartWithWhatToDo(t *testing.T) {
	dir := t.TempDir()
	c, end, err := serveIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	end()
	type damage struct{ name, text string } // no text: a folder
	var all []damage
	for _, f := range folders() {
		all = append(all, damage{f.name, "a file"})
	}
	for _, f := range keyFiles() {
		all = append(all, damage{f, ""})
	}
	all = append(all, damage{"access.key", "short"}, damage{"ca/root.pem", "garbage"},
		damage{"ca/root.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
		damage{"ca/root.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"})
	for _, d := range all {
		path, aside := filepath.Join(c.data, d.name), filepath.Join(dir, "aside")
		if err := os.Rename(path, aside); err != nil {
			t.Fatal(err)
		}
		if d.text == "" {
			err = os.Mkdir(path, 0o700)
		} else {
			err = os.WriteFile(path, []byte(d.text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		for language, want := range map[string]string{"C.UTF-8": "start again", "ja_JP.UTF-8": "起動し"} {
			said, code := startOnce(t, c.data, language, time.Minute)
			_, said, _ = strings.Cut(said, "yagura: ")
			if code != 1 || !strings.Contains(said, want) || !strings.Contains(said, path) {
				t.Errorf("%s, %q, %s: exit %d, %s", d.name, d.text, language, code, said)
			}
			if rest := namedParts.ReplaceAllString(said, ""); language != "C.UTF-8" && english.MatchString(rest) {
				t.Errorf("%s, %q: English in %q", d.name, d.text, said)
			}
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(aside, path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeysThatAreGoneAreTold takes away what users and orders depend on: the server goes on watching and says what is
// lost, until the key is back; keys that the verbs moved away are not told of.
func TestKeysThatAreGoneAreTold(t *testing.T) {
	dir := t.TempDir()
	c, end, err := serveIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.t = t
	alarms := func() string {
		t.Helper()
		out, errOut, _ := c.in("en", nil, "doctor", "--json")
		var checks []struct {
			State string
			What  struct{ En string }
		}
		if err := json.Unmarshal([]byte(out), &checks); err != nil {
			t.Fatalf("doctor: %v: %s%s", err, out, errOut)
		}
		var bad strings.Builder
		for _, k := range checks {
			if k.State == "fail" {
				bad.WriteString(k.What.En + "\n")
			}
		}
		return bad.String()
	}
	eventually := func(want string, is bool) {
		t.Helper()
		out := ""
		for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
			if out = alarms(); strings.Contains(out, want) == is {
				return
			}
		}
		t.Fatalf("doctor says %q: %v; want %v:\n%s", want, !is, is, out)
	}
	const authority, operator, shut = "The authority key is gone", "The operator key is gone", "Users cannot sign in"
	if out := alarms(); strings.Contains(out, "gone") || strings.Contains(out, shut) {
		t.Fatalf("of a new folder doctor says %s", out)
	}
	folder, aside := filepath.Join(c.data, "authority"), filepath.Join(dir, "aside")
	for _, step := range [][2]string{{folder, aside}, {aside, folder}} {
		if err := os.Rename(step[0], step[1]); err != nil {
			t.Fatal(err)
		}
		eventually(authority, step[0] == folder)
		eventually(operator, step[0] == folder)
	}
	away := t.TempDir()
	c.said(exitOK, "authority", "move", away)
	c.said(exitOK, "authority", "move", "--operator", away)
	if authority, operator := command.Astray(folder); authority || operator {
		t.Errorf("after they were moved away: authority key astray %v, operator key astray %v", authority, operator)
	}
	// Moved by hand, and renewed with the key where it lies: the folder knows then.
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	eventually(authority, true)
	c.said(exitOK, "authority", "renew", "--key", filepath.Join(away, command.AuthorityFile))
	eventually(authority, false)
	end()

	// A user, whose code was sealed with the key of the folder.
	db, err := controldb.Open(t.Context(), filepath.Join(c.data, "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	owner, _, err := db.TenantByName(t.Context(), tenantName)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.data, "access.key")
	key, err := access.LoadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	people, err := access.New(owner.ID, db.Access(), key, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	link, err := people.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	offer, err := people.Begin(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(offer.Secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := people.Finish(t.Context(), access.First{Link: link, Name: "aiko", Password: "correct horse battery", Code: code, Secret: offer.Secret}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]string{{file, aside}, {aside, file}} {
		if err := os.Rename(step[0], step[1]); err != nil {
			t.Fatal(err)
		}
		if c, end, err = serveIn(dir); err != nil {
			t.Fatal(err)
		}
		c.t = t
		eventually(shut, step[0] == file)
		end()
	}
}
