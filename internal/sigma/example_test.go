package sigma_test

import (
	"fmt"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

func Example() {
	b := sigma.NewBuilder()
	b.Add("shell.yml", []byte(`
title: Shell of a web server
id: 2c1e1c3e-5f0b-4a0f-9a51-0d0d6d0a7f11
logsource: {product: linux, category: process_creation}
detection:
  selection: {Image|endswith: /sh, ParentImage|endswith: /nginx}
  condition: selection
level: high
`))
	b.Add("broken.yml", []byte("title: [not closed"))
	set := b.Build()
	for _, r := range set.Rejected() {
		fmt.Println("rejected:", r.File, r.Class)
	}

	scratch := set.Scratch() // one for each goroutine
	var rec sigma.EventRecord
	rec.Set(&event.Event{
		Kind: event.ProcessExec, OS: event.Linux,
		Actor: event.Process{Path: "/bin/sh"}, Parent: event.Process{Path: "/usr/sbin/nginx"},
	})
	for _, h := range scratch.Judge(&rec, nil) {
		fmt.Println(h.Rule.Severity, h.Rule.Title.En, h.Matched[0].Field, h.Matched[0].Value)
	}
	// Output:
	// rejected: broken.yml not yaml
	// high Shell of a web server Image /bin/sh
}
