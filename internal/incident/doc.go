// Package incident joins what was detected into one story: a bounded graph of what each host did, grown backwards and
// forwards from detections along edges that events prove, with the entry route and the five answers, each sentence citing
// its events. It is not a rule engine (detect) and keeps no events (eventstore). Package detect feeds it through Observe and
// Receive; the console reads rows and stories; controldb implements Store.
//
// # Three rooms and a desk
//
// Activity is what a host did, whatever anybody thinks of it: processes, files, connections, and which file had which path
// when. It is fed with events in any order of their lanes and judges nothing. What we know of programs and paths is a table
// for each operating system (platform.go, linux.go).
// [graph observe process file place item peer order hub platform linux thing text]
//
// Join is how a story grows: from the processes that rules found, over edges, each process in a role that says what follows
// from it. It draws an edge only from events that it names, for a reason that is in no language.
// [link grow follow runner handoff schedule connection]
//
// Story is what is told of a growth: nodes, rows, edges, the way in, and the answers as findings in no language; last of all,
// words (finding_words.go, reason.go, words.go).
// [story build node edge shown entry step stopped finding answers where why finding_words reason words]
//
// The desk takes events and detections in from many goroutines, gives each detection to a story, merges stories that meet,
// and writes what changed. Only it has a lock.
// [incident desk floor crowd row related read store verdict]
//
// A room uses those before it, never one after it: TestRooms reads the lists above.
//
// # An example
//
// A service takes a connection, starts a shell, which fetches a program and runs it (testdata/stories/web-shell.txtar).
// Rules find two of the processes (!). What stands in a box joined; the rest only shows where it stands.
//
//	 init                     hub: aside, for orientation
//	   │ spawn
//	 systemd                  hub: aside
//	   │ spawn
//	╔══╪═══════════════════════════════════════════════════════════════╗
//	║ service ◄── 203.0.113.9  role pruned: it runs for many, so that  ║
//	║   │      │               only the branch that was found follows  ║
//	║   │      └─────────────────────────────────────────────────────┐ ║
//	║   │ spawn                                                      │ ║
//	║  sh !                    role full: all below it follows       │ ║
//	║   ├──────────┐                                                 │ ║
//	║   │ spawn    │ spawn                                           │ ║
//	║  curl ──► /dev/shm/k ──► payload !                             │ ║
//	║   ▲  wrote_executed   wrote_executed: same volume and number   │ ║
//	║   │ downloaded_from      │ spawn                               │ ║
//	║  203.0.113.9:80         shell ── id                            │ ║
//	╚════════════════════════════════════════════════════════════════╪═╝
//	                                                     thumbnail ◄─┘ beside: counted, not shown
//
// Seeds are sh and payload. sh goes up to service and stops there: systemd is a hub. payload goes back to who wrote its file,
// curl, which has an edge to where the file came from. The entry is the connection that service took before it started sh.
//
// # What always holds
//
//   - No edge without events that prove it. Nearness in time alone joins nothing: it is offered as related, for a person to
//     judge. The reason is the cost of an error: a wrong join buries an attack in noise, and nobody takes it apart again.
//   - The order in which lanes arrive changes no story. Lanes of one host are minutes apart when it is busy, and a restart
//     reads them again in another order. So nothing is judged when it is told that a later event could change (place.go,
//     scheduledRun), and events of one boot stand in the kernel's order, not in that of their arrival (order.go).
//   - How many programs ran beside a finding decides what is shown, never which findings are one incident (runner.go). Else
//     the same attack would be one incident on a quiet host and two on a busy one, and would change while one reads.
//   - Nothing follows from a hub (hub.go, platform.go): it serves many. A name makes a hub only in a system's folder, so that
//     a payload called "cron" in /tmp is none.
//   - A host cannot fill the memory or the list: each thing that is kept has a bound and an answer to "full" (graph.go,
//     crowd.go, docs/limits.md), and what was left out is counted where a reader sees it.
//   - A sentence cites the events that it states, and is not said without them (Story.Without). What is not known is said to
//     be unknown, with where the search ended and why.
//   - A story is a function of events, detections and context: building it changes nothing.
//
// # To add or change a rule
//
// Write the case first, as a text file under testdata/stories (its README.md has the notation): it needs no Go. Each case is
// held to the invariants above too.
package incident
