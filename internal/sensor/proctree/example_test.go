package proctree_test

import (
	"fmt"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/proctree"
)

// An event names only the key of its actor; the tree knows the rest.
func ExampleTree_Apply() {
	tree := proctree.New(0, nil)
	shell, tool := event.LinuxKey(1000, 10, 7), event.LinuxKey(2000, 20, 7)
	tree.Apply(&event.Event{Kind: event.ProcessExec, BootNS: 1, Actor: event.Process{Key: shell, PID: 10, Path: "/bin/sh"}})
	tree.Apply(&event.Event{Kind: event.ProcessFork, BootNS: 2, Actor: event.Process{Key: shell, PID: 10}, Target: event.Process{Key: tool, PID: 20}})
	tree.Apply(&event.Event{Kind: event.ProcessExec, BootNS: 3, Actor: event.Process{Key: tool, PID: 20, Path: "/bin/cp", CommandLine: "cp a b"}})

	created := &event.Event{Kind: event.FileCreate, BootNS: 4, Actor: event.Process{Key: tool, PID: 20}, File: event.File{Path: "/tmp/b"}}
	tree.Apply(created)
	fmt.Println(created.Actor.CommandLine, "started by", created.Parent.Path)
	// Output: cp a b started by /bin/sh
}
