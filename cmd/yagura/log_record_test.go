package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A record of a log that no kind models is kept whole, shown and judged by rules for that log: before it is sealed and after.
func TestALogRecordIsKeptShownAndJudged(t *testing.T) {
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules")
	if err := os.Mkdir(rules, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(rules, "group.yml"), []byte(`title: Member added to the administrators of a Windows host
id: 2c1f5b0e-6f5d-4d8e-9d63-0c6f2b6f8a11
logsource: {product: windows, service: security}
detection:
  selection: {EventID: 4732, TargetUserName: Administrators, Elevated: true}
  condition: selection
level: high
`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, end, err := serveIn(dir, "--seal-interval", "1s", "--rules", rules)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	c.t = t
	line := `{"kind":"log.record","os":"windows","host_time":1795000000000000,"log_product":"windows","log_service":"security","log_channel":"Security","log_provider":"Microsoft-Windows-Security-Auditing","log_event_id":"4732",` +
		`"attributes":{"TargetUserName":"Administrators","MemberSid":"S-1-5-21-\u65e5","Count":-7,"Elevated":true,"Empty":"","Absent":null,"List":[1,2]}}`
	if _, said, code := c.in("en", strings.NewReader(line+"\n"), "replay", "--host", "PC-1", "-"); code != exitOK {
		t.Fatalf("replay: exit %d: %s", code, said)
	}
	want := map[string]string{
		"log_event_id": "4732", "extra.TargetUserName": "Administrators", "extra.MemberSid": "S-1-5-21-日", "extra.Count": "-7",
		"extra.Elevated": "true", "extra.Empty": "", "extra.List": "[1,2]",
	}
	look := func(when string) {
		t.Helper()
		out, said, code := c.in("en", nil, "events", "list", "--kind", "log.record", "--json")
		var row struct {
			Fields map[string]string `json:"fields"`
		}
		if err := json.Unmarshal([]byte(out), &row); err != nil || code != exitOK {
			t.Fatalf("%s: exit %d, %v: %s%s", when, code, err, out, said)
		}
		for name, value := range want {
			if got, ok := row.Fields[name]; !ok || got != value {
				t.Errorf("%s: %s is %q (%v); want %q", when, name, got, ok, value)
			}
		}
		if _, ok := row.Fields["extra.Absent"]; ok {
			t.Errorf("%s: null became a value", when)
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		if out, _, _ := c.in("en", nil, "events", "list", "--kind", "log.record", "--json"); strings.Contains(out, "4732") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the record is not searchable")
		}
		time.Sleep(100 * time.Millisecond)
	}
	look("hot")
	for c.stored(1); ; time.Sleep(100 * time.Millisecond) {
		if out, _, _ := c.in("en", nil, "detections", "--json"); strings.Contains(out, "2c1f5b0e-6f5d-4d8e-9d63-0c6f2b6f8a11") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no detection of it")
		}
	}
	look("sealed")
	for ; ; time.Sleep(100 * time.Millisecond) {
		out, _, _ := c.in("en", nil, "incidents", "show", "last")
		if strings.Contains(out, "administrators of a Windows host") && strings.Contains(out, "a record of a log") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no incident that tells of it: %s", out)
		}
	}
	for _, language := range []string{"en", "ja"} {
		out, _, _ := c.in(language, nil, "events", "list", "--kind", "log.record")
		if !strings.Contains(out, "4732") || !strings.Contains(out, "windows/security/Security") || !strings.Contains(out, "TargetUserName=Administrators") {
			t.Errorf("%s: %s", language, out)
		}
	}
}
