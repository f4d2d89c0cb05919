package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// What a start looks for in its data folder before it opens anything: a part that is of the wrong kind or shut ends it
// with what to do, and keys that are gone while the control database needs them are told of.

// folder is a part of the data folder, with what is lost where it has no backup.
type folder struct{ name, lost string }

func folders() []folder {
	const nothing = "nothing is lost"
	return []folder{
		{"segments", "the stored events are lost"},
		{"log", "events that were taken and not stored yet are lost, unless their sensors still hold them"},
		{filepath.Join("log", "jetstream"), "events that were taken and not stored yet are lost, unless their sensors still hold them"}, // else its server hangs
		{"quarantine", "the events in quarantine are lost"},
		{"ca", "every host must enrol again"},
		{filepath.Join("ca", "tenant"), "every host must enrol again"},
		{"authority", "orders need the keys from where their copies are"},
		{"hot", nothing},
		{"tmp", nothing},
	}
}

// keyFiles are the files that a start reads or writes itself.
func keyFiles() []string {
	return []string{"control.db", "clock.json", "access.key", "canary.key", filepath.Join("ca", "root.pem"), filepath.Join("ca", "server.pem")}
}

// whole says which part of the data folder is of the wrong kind, or cannot be read by this user.
func (d *dataDir) whole() error {
	for _, f := range folders() {
		path := d.file(f.name)
		st, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err == nil && !st.IsDir():
			return fmt.Errorf("%s is no folder: move it aside, `mv %s %s.aside`, put the folder back from a backup, and start again; without a backup the next start makes an empty one: %s",
				path, terminal.Quote(path), terminal.Quote(path), f.lost)
		case err == nil:
			_, err = os.ReadDir(path)
		}
		if err != nil {
			return fmt.Errorf("the folder %s cannot be read: give it back to the server's user, `chmod 700 %s` where that user owns it, look at `dmesg`, and start again: %w", path, terminal.Quote(path), err)
		}
	}
	for _, name := range keyFiles() {
		path := d.file(name)
		st, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err == nil && !st.Mode().IsRegular():
			return fmt.Errorf("%s is no file: move it aside, `mv %s %s.aside`, put the file back from a backup, and start again; without a backup the next start says what that costs", path, terminal.Quote(path), terminal.Quote(path))
		case err == nil:
			var f *os.File
			if f, err = os.Open(path); err == nil {
				err = f.Close()
			}
		}
		if err != nil {
			return fmt.Errorf("%s cannot be read: give it back to the server's user, `chmod 600 %s` where that user owns it, look at `dmesg`, and start again: %w", path, terminal.Quote(path), err)
		}
	}
	return nil
}

// checkKeys tells of keys that are gone while hosts and users still depend on them. Watching goes on: what is lost is
// orders and sign-ins, and a server that stands still would lose events, too.
func (p *parts) checkKeys(ctx context.Context) {
	dir := p.dir.file("authority")
	authority, operator := command.Astray(dir)
	for _, k := range []struct {
		cause fault.Cause
		file  string
		gone  bool
	}{{fault.AuthorityKey, command.AuthorityFile, authority}, {fault.OperatorKey, command.OperatorFile, operator}} {
		if k.gone {
			p.faults.Raise(k.cause, "", errors.New(filepath.Join(dir, k.file))) //nolint:err113 // the detail is the file
		} else {
			p.faults.Clear(k.cause, "")
		}
	}
	switch shut, err := p.people.ShutOut(ctx); {
	case err != nil:
		p.log.WarnContext(ctx, "users not read", slog.Any("err", err))
	case len(shut) > 0:
		p.faults.Raise(fault.AccessKey, "", fmt.Errorf("%s: %s", p.dir.file("access.key"), strings.Join(shut, ", ")))
	default:
		p.faults.Clear(fault.AccessKey, "")
	}
}
