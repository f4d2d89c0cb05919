package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A token of a server on the loopback was handed out for other hosts, where it can only fail.
func TestTokenForOtherHostsSaysWhatToSet(t *testing.T) {
	c := newCounter(t)
	open := func() int {
		out, _, _ := c.in("en", nil, "enroll", "list", "--json")
		var list []any
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return len(list)
	}
	before := open()
	for lang, words := range map[string][]string{"en": {"no other host can reach"}, "ja": {"接続できません"}} {
		_, errOut, code := c.in(lang, nil, "enroll", "token")
		for _, want := range append(words, "sensor_listen: 0.0.0.0:", "hostname: ", filepath.Join(c.data, "server.yaml"), "enroll token --this-host") {
			if code != exitFailed || !strings.Contains(errOut, want) {
				t.Errorf("%s: exit %d, without %q: %s", lang, code, want, errOut)
			}
		}
	}
	if n := open(); n != before {
		t.Errorf("%d tokens were made that no host can use", n-before)
	}

	out, errOut, code := c.in("en", nil, "enroll", "token", "--this-host")
	if code != exitOK || !strings.Contains(out, "yagura1.") || !strings.Contains(out, "A token for 1 host, until") {
		t.Errorf("--this-host: exit %d: %s%s", code, out, errOut)
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "enroll") && strings.Contains(line, "yagura1.") {
			t.Errorf("the token stands on a command line: %s", line)
		}
	}
	file := filepath.Join(t.TempDir(), "fleet.token")
	out, errOut, code = c.in("en", nil, "enroll", "token", "--this-host", "--uses", "2", "--out", file)
	b, err := os.ReadFile(file)
	if code != exitOK || err != nil || !strings.HasPrefix(string(b), "yagura1.") || strings.Contains(out, "yagura1.") || !strings.Contains(out, "enroll < "+file) || !strings.Contains(out, "2 hosts") {
		t.Errorf("--out: exit %d, %v: %s%s", code, err, out, errOut)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the token's file: %v, %v", st.Mode(), err)
	}
	if _, _, code = c.in("en", nil, "enroll", "token", "--this-host", "--out", file); code != exitFailed {
		t.Errorf("a file that is there was written over: exit %d", code)
	}
}

func TestWhoCanReachTheServer(t *testing.T) {
	s := &shell{data: "/srv/y", program: "yagura"}
	for _, c := range []struct {
		url, listen string
		ok          bool
	}{
		{"https://127.0.0.1:8444", "127.0.0.1:8444", false},
		{"https://edr.example.com:8444", "127.0.0.1:8444", false},
		{"https://edr.example.com:8444", "0.0.0.0:8444", true},
		{"https://localhost:8444", "0.0.0.0:8444", false},
		{"https://[::1]:8444", "[::]:8444", false},
		{"https://192.0.2.7:8444", "192.0.2.7:8444", true},
	} {
		if err := s.reachable(c.url, c.listen); (err == nil) != c.ok {
			t.Errorf("reachable(%s, %s) = %v", c.url, c.listen, err)
		}
	}
}
