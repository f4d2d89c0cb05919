package event_test

import (
	"fmt"

	"github.com/yagura-edr/yagura/internal/event"
)

func ExampleText() {
	name := "/srv/\xc6\xfc.txt" // EUC-JP: not UTF-8
	text := event.Text(name)
	fmt.Println(event.Show(text))
	fmt.Println(string(event.Bytes(text)) == name)
	// Output:
	// /srv/\xc6\xfc.txt
	// true
}

func ExampleShow() {
	fmt.Println(event.Show("invoice\u202efdp.exe"))
	// Output: invoice⟦U+202E⟧fdp.exe
}

func ExampleEvent_Value() {
	e := event.Event{Kind: event.ProcessExit}
	v := e.Value(event.NExitCode)
	fmt.Println(v.Set, v) // an exit always has a code, also when it is 0
	// Output: true 0
}

func ExampleDecodeBatch() {
	exec := &event.Event{Kind: event.ProcessExec, OS: event.Linux}
	exec.Actor.Path = "/usr/bin/id"
	events, err := event.DecodeBatch(event.AppendBatch(nil, []*event.Event{exec}))
	fmt.Println(len(events), events[0].Kind, events[0].Actor.Path, err)
	// Output: 1 process.exec /usr/bin/id <nil>
}
