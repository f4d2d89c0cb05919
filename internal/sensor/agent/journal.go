package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
)

// Bounds of the journal.
const (
	journalLife = 31 * 24 * time.Hour // far beyond the life of any command
	maxJournal  = 20000               // commands; beyond it the oldest expired are forgotten
)

// journal remembers which commands were taken and how they ended: one JSON object a line, each synced
// before anything is done about it.
type journal struct {
	mu      sync.Mutex // guards all; held across the sync, that is its point
	path    string
	f       *os.File
	now     func() time.Time // surely past: a clock that was set forward forgets no order
	entries map[command.Nonce]*entry
}

type entry struct {
	Nonce    string           `json:"nonce"`
	Expiry   int64            `json:"expiry,omitempty"` // µs UTC
	Outcome  *command.Outcome `json:"outcome,omitempty"`
	Reported bool             `json:"reported,omitempty"`
}

func openJournal(path string, now func() time.Time) (*journal, error) {
	j := &journal{path: path, now: now, entries: map[command.Nonce]*entry{}}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read journal of commands: %w", err)
	}
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var e entry
		if json.Unmarshal(sc.Bytes(), &e) == nil { // a torn last line is no entry
			j.merge(&e)
		}
	}
	// Written anew, without what is long over; then only appended to.
	var out []byte
	for n, e := range j.entries {
		if e.Expiry > 0 && now().Sub(time.UnixMicro(e.Expiry)) > journalLife {
			delete(j.entries, n)
			continue
		}
		line, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("write journal of commands: %w", err)
		}
		out = append(append(out, line...), '\n')
	}
	err = os.WriteFile(path+".new", out, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		j.f, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	}
	// A disk that takes nothing is no reason not to see; commands are then not taken.
	_ = err
	return j, nil
}

func (j *journal) merge(e *entry) {
	b, err := hex.DecodeString(e.Nonce)
	if err != nil || len(b) != 16 {
		return
	}
	n := command.Nonce(b)
	old := j.entries[n]
	if old == nil {
		j.entries[n] = e
		return
	}
	if e.Outcome != nil {
		old.Outcome = e.Outcome
	}
	old.Reported = old.Reported || e.Reported
	old.Expiry = max(old.Expiry, e.Expiry)
}

func (j *journal) write(e *entry) error {
	if j.f == nil {
		f, err := os.OpenFile(j.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open journal of commands: %w", err)
		}
		j.f = f
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode journal of commands: %w", err)
	}
	if _, err := j.f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write journal of commands: %w", err)
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("sync journal of commands: %w", err)
	}
	return nil
}

// Use takes a nonce: it is on disk when fresh is true.
func (j *journal) Use(_ context.Context, n command.Nonce, expiry time.Time) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.entries[n] != nil {
		return false, nil
	}
	if len(j.entries) >= maxJournal {
		j.forget()
	}
	if len(j.entries) >= maxJournal {
		return false, fmt.Errorf("%d commands are remembered, no more are taken: wait for the oldest to end", maxJournal)
	}
	e := &entry{Nonce: n.String(), Expiry: expiry.UnixMicro()}
	if err := j.write(e); err != nil {
		return false, err
	}
	j.entries[n] = e
	return true, nil
}

func (j *journal) forget() {
	limit := j.now().Add(-time.Hour).UnixMicro()
	for n, e := range j.entries {
		if e.Expiry < limit && e.Reported {
			delete(j.entries, n)
		}
	}
}

// end keeps how a command ended.
func (j *journal) end(n command.Nonce, o command.Outcome) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := &entry{Nonce: n.String(), Outcome: &o}
	j.merge(e)
	return j.write(e)
}

// reported notes that the server has the outcome.
func (j *journal) reported(n command.Nonce) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.entries[n]; e != nil && e.Outcome != nil {
		e.Reported = true
		_ = j.write(&entry{Nonce: n.String(), Reported: true}) // lost: reported once more, which changes nothing
	}
}

// known gives the outcome of a command that was taken before; nil while it runs.
func (j *journal) known(n command.Nonce) (o *command.Outcome, reported, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[n]
	if e == nil {
		return nil, false, false
	}
	return e.Outcome, e.Reported, true
}

type unfinished struct {
	nonce   command.Nonce
	outcome command.Outcome
}

// unfinished lists what a crash left: outcomes that were not reported, and commands of which nobody knows
// how far they came. Those are unknown now and for good; nothing is run again.
func (j *journal) unfinished() (out []unfinished) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n, e := range j.entries {
		switch {
		case e.Outcome == nil:
			out = append(out, unfinished{n, command.Outcome{
				Nonce: n[:], State: command.Unknown, Time: time.Now(),
				Detail: "the sensor went down after it took this command; whether it acted is not known, and it does not act again",
			}})
		case !e.Reported:
			out = append(out, unfinished{n, *e.Outcome})
		}
	}
	return out
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f == nil {
		return nil
	}
	err := j.f.Close()
	j.f = nil
	return err
}
