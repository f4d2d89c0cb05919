package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/eventstore"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/stream"
)

// What doctor says of the machine under the server: its disk, and whether events get from the log into the store.

// checkDisk says how much room the data folder has, in bytes and in inodes.
func checkDisk(log *stream.Log) []*consolev1.Check {
	d, err := log.Disk()
	if err != nil {
		return []*consolev1.Check{{Name: "disk", State: "unknown", What: said(say.Both("%v", err))}}
	}
	state := func(free, all, reserve int64) string {
		switch {
		case free < reserve:
			return "fail"
		case free < 4*reserve || free < all/20:
			return "warn"
		}
		return "ok"
	}
	out := []*consolev1.Check{{
		Name: "disk", State: state(d.Free, d.Bytes, d.Reserve),
		What: said(say.Both("%s of %s free; below %s nothing is taken from sensors", size(d.Free), size(d.Bytes), size(d.Reserve))),
		Fix:  said(say.Both("free space on the disk of the data folder, or make it larger; do not delete files of the data folder")),
	}}
	if d.Inodes > 0 {
		out = append(out, &consolev1.Check{
			Name: "inodes", State: state(d.FreeInodes, d.Inodes, d.ReserveInodes),
			What: said(say.Both("%d of %d inodes free; below %d nothing is taken from sensors", d.FreeInodes, d.Inodes, d.ReserveInodes)),
			Fix:  said(say.Both("remove small files of others from this file system (`df -i`, `du --inodes`), or make it larger")),
		})
	}
	return out
}

func size(n int64) string {
	const unit = 1024
	value, name := float64(n), "B"
	for _, name = range []string{"B", "KiB", "MiB", "GiB", "TiB"} {
		if value < unit || name == "TiB" {
			break
		}
		value /= unit
	}
	return fmt.Sprintf("%.4g %s", value, name)
}

// sealLate is how long after its event a seal should have come; the fault comes later, and only of seals that fail.
const sealLate = 3 * time.Minute

// checkSeals says whether what the log holds goes into the store, by part of the log.
func checkSeals(store *eventstore.Store) *consolev1.Check {
	now := time.Now()
	var late []string
	var waiting, parts uint64
	var last, first time.Time
	for i, p := range store.Shards() {
		waiting += p.Waiting
		if !p.Sealed.IsZero() {
			parts++
			if p.Sealed.After(last) {
				last = p.Sealed
			}
			if first.IsZero() || p.Sealed.Before(first) {
				first = p.Sealed
			}
		}
		if !p.Since.IsZero() && now.Sub(p.Since) > sealLate {
			late = append(late, fmt.Sprintf("%d: %d, %s", i, p.Waiting, p.Since.UTC().Format("15:04:05 UTC")))
		}
	}
	c := &consolev1.Check{Name: "seals", State: "ok"}
	switch {
	case len(late) > 0:
		c.State = "warn"
		c.What = said(say.Both("parts of the log wait for their seal (part: records, since): %s", strings.Join(late, "; ")))
		c.Fix = said(say.Both("see the other lines for the reason; events are safe in the log until then"))
	case parts == 0:
		c.What = said(say.Both("nothing was sealed since the start; %d records wait, which is usual within a minute", waiting))
	default:
		c.What = said(say.Both("%d of %d parts of the log were sealed since the start, the last at %s, the longest ago at %s; %d records wait", parts, stream.Shards,
			last.UTC().Format("15:04:05 UTC"), first.UTC().Format("15:04:05 UTC"), waiting))
	}
	return c
}

// checkWorkers says whether the processes of the store work, and what holds them.
func checkWorkers(store *eventstore.Store) *consolev1.Check {
	c := &consolev1.Check{Name: "workers", State: "ok"}
	var dead []string
	var up *eventstore.WorkerState
	for _, w := range store.Workers() {
		if !w.Works {
			dead = append(dead, w.Role)
		}
		if w.Hello.Protocol != 0 && up == nil {
			up = &w
		}
	}
	switch {
	case len(dead) > 0:
		c.State = "warn" // the fault beside it says what is wrong, when it is more than a moment
		c.What = said(say.Both("these workers do not answer now: %s", strings.Join(dead, ", ")))
		c.Fix = said(say.Both("see the other lines for the reason; they are tried again every few seconds"))
	case up == nil:
		c.What = said(say.Both("no worker was needed yet"))
	default:
		c.What = said(say.Both("every worker answers; they run as user %d with %d system calls and Landlock version %d (0: none)", up.Hello.UID, up.Hello.Seccomp, up.Bounds.Landlock))
	}
	return c
}
