package sigma_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/sigma"
)

// dataDir gives the folder of shared test data. Nothing of it enters the tree.
func dataDir(t testing.TB) string {
	dir := os.Getenv("YAGURA_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "sigma")); err != nil {
		t.Skipf("no Sigma data at %s: set YAGURA_DATA to the folder that holds sigma and sigma-regression", dir)
	}
	return dir
}

func loadSigmaHQ(t testing.TB, dir string) *sigma.Ruleset {
	b := sigma.NewBuilder()
	for _, tree := range []string{"rules", "rules-emerging-threats", "rules-threat-hunting"} {
		if err := b.AddDir(filepath.Join(dir, "sigma", tree)); err != nil {
			t.Fatal(err)
		}
	}
	return b.Build()
}

// Every rule of SigmaHQ loads, but for those whose placeholder needs a pipeline.
func TestSigmaHQLoads(t *testing.T) {
	set := loadSigmaHQ(t, dataDir(t))
	count := map[string]int{}
	for _, r := range set.Rejected() {
		count[r.Class]++
		t.Log(r)
	}
	if got := len(set.Rules()) + len(set.Rejected()); got != 3754 {
		t.Errorf("%d documents seen; want 3754", got)
	}
	if len(count) != 1 || count[sigma.NeedsPipeline] != 2 {
		t.Errorf("rejected by reason: %v; want 2 for %q alone", count, sigma.NeedsPipeline)
	}
}

// The recorded attacks of SigmaHQ's own regression tests fire.
func TestSigmaHQRegression(t *testing.T) {
	dir := dataDir(t)
	set := loadSigmaHQ(t, dir)
	var tests []struct {
		RuleIDs []string `json:"rule_ids"`
		JSON    string   `json:"json"`
		Min     int      `json:"min_match_count"`
	}
	raw, err := os.ReadFile(filepath.Join(dir, "sigma-regression", "expectations.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &tests); err != nil {
		t.Fatal(err)
	}
	if len(tests) != 117 {
		t.Errorf("%d tests; want 117", len(tests))
	}
	scratch := set.Scratch()
	for _, tt := range tests {
		f, err := os.Open(filepath.Join(dir, tt.JSON))
		if err != nil {
			t.Fatal(err)
		}
		fired := map[string]int{}
		dec := json.NewDecoder(f)
		dec.UseNumber()
		for dec.More() {
			var one any
			if err := dec.Decode(&one); err != nil {
				t.Fatalf("%s: %v", tt.JSON, err)
			}
			events, ok := one.([]any)
			if !ok {
				events = []any{one}
			}
			for _, e := range events {
				for _, h := range scratch.Judge(windowsRecord(t, e), nil) {
					fired[h.Rule.ID]++
				}
			}
		}
		_ = f.Close()
		for _, id := range tt.RuleIDs {
			if fired[id] < max(tt.Min, 1) {
				t.Errorf("%s: rule %s fired %d times; want at least %d", tt.JSON, id, fired[id], tt.Min)
			}
		}
	}
}

var sysmonCategory = map[string][]string{
	"1": {"process_creation"}, "2": {"file_change"}, "3": {"network_connection"}, "5": {"process_termination"}, "6": {"driver_load"},
	"7": {"image_load"}, "8": {"create_remote_thread"}, "9": {"raw_access_thread"}, "10": {"process_access"}, "11": {"file_event"}, "12": {"registry_add", "registry_delete", "registry_event"},
	"13": {"registry_set", "registry_event"}, "14": {"registry_rename", "registry_event"}, "15": {"create_stream_hash"}, "17": {"pipe_created"}, "18": {"pipe_created"}, "22": {"dns_query"}, "23": {"file_delete"}, "26": {"file_delete"},
}

var channelService = map[string]string{
	"Microsoft-Windows-Sysmon/Operational": "sysmon", "Security": "security", "System": "system", "Microsoft-Windows-Windows Defender/Operational": "windefend",
	"Microsoft-Windows-TaskScheduler/Operational": "taskscheduler", "Microsoft-Windows-WMI-Activity/Operational": "wmi", "Application": "application",
}

// windowsRecord flattens an event as EVTX gives it in JSON.
func windowsRecord(t *testing.T, e any) sigma.Record {
	values := map[string]sigma.Value{}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, w := range v {
				if k == "#attributes" {
					if a, ok := w.(map[string]any); ok {
						for an, av := range a {
							walk(name+"_"+an, av)
						}
					}
					continue
				}
				if k == "#text" {
					walk(name, w)
					continue
				}
				walk(k, w)
			}
		case []any:
			for _, w := range v {
				walk(name, w)
			}
		case nil:
			values[name] = sigma.Value{Kind: sigma.Null}
		case json.Number:
			if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
				values[name] = sigma.Value{Kind: sigma.Int, Int: n}
				return
			}
			values[name] = sigma.TextValue(v.String())
		default:
			values[name] = sigma.TextValue(fmt.Sprint(v))
		}
	}
	walk("", e)
	id, channel := values["EventID"].String(), values["Channel"].String()
	service, ok := channelService[channel]
	if !ok {
		service = strings.ToLower(channel)
	}
	sources := []sigma.LogSource{{Product: "windows", Service: service}}
	if service == "sysmon" {
		for _, c := range sysmonCategory[id] {
			sources = append(sources, sigma.LogSource{Product: "windows", Category: c, Service: service})
		}
	}
	if service == "security" && id == "4688" {
		sources = append(sources, sigma.LogSource{Product: "windows", Category: "process_creation", Service: service})
		values["Image"], values["ParentImage"] = values["NewProcessName"], values["ParentProcessName"]
	}
	slices.SortFunc(sources, func(a, b sigma.LogSource) int { return strings.Compare(a.String(), b.String()) })
	return sigma.NewFields(sources, values)
}
