package sigma_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

// logRules are rules for logs that no kind of event models.
const logRules = `title: Account made an administrator
id: 11111111-1111-4111-8111-111111111111
logsource: {product: windows, service: security}
detection:
  selection: {EventID: 4732, TargetUserName: Administrators}
  condition: selection
---
title: Logon over the network
id: 22222222-2222-4222-8222-222222222222
logsource: {product: windows, service: security}
detection:
  selection: {EventID: [4624, 4625], LogonType: 3, ElevatedToken: true}
  condition: selection
---
title: Audit of the kernel
id: 33333333-3333-4333-8333-333333333333
logsource: {product: linux, service: auditd}
detection:
  selection: {type: EXECVE, a0|endswith: /nc}
  condition: selection
---
title: Web shell in an access log
id: 44444444-4444-4444-8444-444444444444
logsource: {category: webserver}
detection:
  selection: {cs-uri-query|contains: cmd=}
  condition: selection
---
title: Any word of any log of windows
id: 55555555-5555-4555-8555-555555555555
logsource: {product: windows}
detection:
  keywords: [mimikatz]
  condition: keywords
---
title: A process of windows
id: 66666666-6666-4666-8666-666666666666
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: \whoami.exe}
  condition: selection
`

func logRecord(product, service, category, id string, attributes ...event.Attribute) *event.Event {
	return &event.Event{Kind: event.LogRecord, OS: event.Windows, LogProduct: product, LogService: service, LogCategory: category, LogEventID: id, Attributes: attributes}
}

// A record of a log is judged by the rules for its log, under the names and types of the log.
func TestRulesForLogsJudgeTheirRecords(t *testing.T) {
	b := sigma.NewBuilder()
	b.Add("logs.yml", []byte(logRules))
	set := b.Build()
	if len(set.Rejected()) > 0 {
		t.Fatalf("%v", set.Rejected())
	}
	s := set.Scratch()
	for name, c := range map[string]struct {
		e    *event.Event
		want string // the first digits of the rules that fire
	}{
		"an account":                    {logRecord("windows", "security", "", "4732", event.TextAttribute("TargetUserName", "administrators")), "1"},
		"as the log spells itself":      {logRecord("Windows", "Security", "", "4732", event.TextAttribute("TargetUserName", "Administrators")), "1"},
		"another log of the product":    {logRecord("windows", "system", "", "4732", event.TextAttribute("TargetUserName", "Administrators")), ""},
		"another product":               {logRecord("linux", "security", "", "4732", event.TextAttribute("TargetUserName", "Administrators")), ""},
		"types":                         {logRecord("windows", "security", "", "4624", event.IntAttribute("LogonType", 3), event.BoolAttribute("ElevatedToken", true)), "2"},
		"types, another value":          {logRecord("windows", "security", "", "4624", event.IntAttribute("LogonType", 2), event.BoolAttribute("ElevatedToken", true)), ""},
		"types as text":                 {logRecord("windows", "security", "", "4625", event.TextAttribute("LogonType", "3"), event.TextAttribute("ElevatedToken", "true")), "2"},
		"an attribute named as a field": {logRecord("linux", "auditd", "", "", event.TextAttribute("type", "EXECVE"), event.TextAttribute("a0", "/usr/bin/nc")), "3"},
		"a category":                    {logRecord("apache", "", "webserver", "", event.TextAttribute("cs-uri-query", "cmd=id")), "4"},
		"a category and a service":      {logRecord("apache", "access", "webserver", "", event.TextAttribute("cs-uri-query", "cmd=id")), "4"},
		"a word anywhere":               {logRecord("windows", "application", "", "1", event.TextAttribute("Data", "runs mimikatz today")), "5"},
		"the category of a kind":        {logRecord("windows", "sysmon", "process_creation", "1", event.TextAttribute("Image", `C:\Windows\System32\whoami.exe`)), "6"},
		"nothing":                       {logRecord("", "", "", ""), ""},
	} {
		var r sigma.EventRecord
		r.Set(c.e)
		var got []string
		for _, h := range s.Judge(&r, nil) {
			got = append(got, h.Rule.ID[:1])
		}
		slices.Sort(got)
		if strings.Join(got, "") != c.want {
			t.Errorf("%s: rules %v fire; want %q", name, got, c.want)
		}
	}
}

// A hostile host may call its logs by any number of names: that costs no index for each, and the rules go on firing.
func TestLogsOfManyNamesCostNothing(t *testing.T) {
	b := sigma.NewBuilder()
	b.Add("logs.yml", []byte(logRules))
	s := b.Build().Scratch()
	var r sigma.EventRecord
	e := logRecord("windows", "", "", "1", event.TextAttribute("Data", "nothing"))
	flood := func(n int) {
		e.LogService, e.LogCategory = fmt.Sprintf("s%d", n), fmt.Sprintf("c%d", n)
		r.Set(e)
		if hits := s.Judge(&r, nil); len(hits) > 0 {
			t.Fatalf("%v", hits)
		}
	}
	for n := range 10_000 {
		flood(n)
	}
	n := 10_000
	if allocs := testing.AllocsPerRun(100, func() { n++; flood(n) }); allocs > 10 { // the two names are two of them
		t.Errorf("%.0f allocations for a record of a new name", allocs)
	}
	r.Set(logRecord("windows", "security", "", "4732", event.TextAttribute("TargetUserName", "Administrators")))
	if hits := s.Judge(&r, nil); len(hits) != 1 {
		t.Errorf("after the flood %d rules fire; want 1", len(hits))
	}
}
