package sigma_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/yagura-edr/yagura/internal/sigma"
)

// jsonValue reads a field of a case: numbers exactly, null as a field that is there with null.
func jsonValue(t *testing.T, raw json.RawMessage) sigma.Value {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	switch v := v.(type) {
	case nil:
		return sigma.Value{Kind: sigma.Null}
	case bool:
		return sigma.TextValue(strconv.FormatBool(v))
	case string:
		return sigma.TextValue(v)
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return sigma.Value{Kind: sigma.Int, Int: i}
		}
		return sigma.TextValue(v.String())
	case []any:
		var list []string
		for _, e := range v {
			b, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, jsonValue(t, b).String())
		}
		return sigma.Value{Kind: sigma.List, List: list}
	}
	t.Fatalf("%s: neither text, number, list nor null", raw)
	return sigma.Value{}
}

// Every case that the specification decides comes out as it decides. The cases lie outside the tree.
func TestConformanceCases(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(dataDir(t), "sigma-cases", "cases.json"))
	if os.IsNotExist(err) {
		t.Skipf("no conformance cases: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Topic, Rule, Expect, Note string
		Event                           map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	right := 0
	for _, c := range cases {
		set := build(t, c.Rule)
		values := map[string]sigma.Value{}
		for f, v := range c.Event {
			values[f] = jsonValue(t, v)
		}
		got := "miss"
		switch {
		case len(set.Rules()) == 0:
			got = "refuse"
			if len(set.Rejected()) == 0 || set.Rejected()[0].Reason == "" {
				t.Errorf("%s: nothing loaded and no reason given", c.Name)
			}
		case len(set.Scratch().Judge(sigma.NewFields(processCreation, values), nil)) > 0:
			got = "hit"
		}
		if got != c.Expect {
			t.Errorf("%s (%s; %s): %s; want %s\n%s%s %v", c.Name, c.Topic, c.Note, got, c.Expect, c.Rule, c.Event, set.Rejected())
			continue
		}
		right++
	}
	if len(cases) < 211 {
		t.Errorf("%d cases; want at least 211", len(cases))
	}
	t.Logf("%d of %d cases", right, len(cases))
}
