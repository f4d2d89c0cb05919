package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	tellWithin = 90 * time.Second
	healWithin = 2 * time.Minute
	holdAtMost = 45 * time.Second // a fault that was told at once stays so long
)

// fault is one thing that breaks.
type fault struct {
	name     string
	about    *regexp.Regexp                                                                      // a row of doctor that tells it
	put      func(ctx context.Context, r *rand.Rand) (undo func() error, note string, err error) // makes it; undo takes its cause away
	harmless bool                                                                                // it may have no effect: then new events must go on being found
	mayKill  bool                                                                                // the server may be killed and started while it lasts
}

func faultsOf(s *server) []fault {
	about := func(s string) *regexp.Regexp { return regexp.MustCompile(`(?i)` + s) }
	jump := func(name string, off time.Duration) fault {
		return fault{name: "clock " + name, about: about(`clock`), mayKill: true, put: func(context.Context, *rand.Rand) (func() error, string, error) {
			return func() error { return s.setClock(0) }, "", s.setClock(off)
		}}
	}
	const year = 365 * 24 * time.Hour
	return []fault{
		jump("+1 day", 24*time.Hour),
		jump("+10 years", 10*year),
		jump("-10 years", -10*year),
		{name: "full disk", about: about(`disk|space|full`), put: s.fillDisk, mayKill: true},
		{name: "full inodes", about: about(`inode`), put: s.fillInodes, mayKill: true},
		{name: "workers that die at once", about: about(`worker`), put: s.killWorkers},
		{name: "the program replaced by another", about: about(`worker`), put: s.replaceProgram, harmless: true},
		{name: "one flipped byte in a segment", about: about(`segment|stored events|damaged|altered`), put: s.flip, mayKill: true},
	}
}

// suffer makes one fault, waits until it is told, takes its cause away and waits until nothing of it is left.
func (s *server) suffer(ctx context.Context, f fault, random *rand.Rand) (result, error) {
	r := result{Fault: f.name}
	before := s.rows(ctx)
	if row := matching(before, nil, f.about); row != "" {
		r.Note = "something like it was told before: " + row
	}
	begin := time.Now()
	undo, note, err := f.put(ctx, random)
	if err != nil {
		return r, err
	}
	s.say("fault: %s %s", f.name, note)
	r.Note = strings.TrimSpace(r.Note + " " + note)
	for r.Told == "" && time.Since(begin) < tellWithin {
		if err := pause(ctx, 2*time.Second); err != nil {
			return r, errors.Join(err, undo())
		}
		if row := matching(s.rows(ctx), before, f.about); row != "" {
			r.Told, r.After = row, seconds(begin)
		}
		if f.harmless && r.Told == "" && time.Since(begin) > holdAtMost {
			if s.fresh(ctx, begin) {
				r.Told, r.After = "nothing broke: new events are found", seconds(begin)
			}
		}
	}
	s.say("  told: %q after %.0f s", r.Told, r.After)
	down := false
	if f.mayKill && random.IntN(2) == 0 {
		s.say("  kill -9 while it lasts")
		s.kill()
		r.Kills++
		switch err := s.launch(ctx); {
		case errors.Is(err, errEnded):
			down = true // it says why in its log; sensors keep what they have
			r.Note = strings.TrimSpace(r.Note + " a server killed meanwhile does not start before it is over")
		case err != nil:
			return r, errors.Join(err, undo())
		}
	}
	if rest := holdAtMost - time.Since(begin); rest > 0 {
		if err := pause(ctx, rest); err != nil {
			return r, errors.Join(err, undo())
		}
	}
	if err := undo(); err != nil {
		return r, err
	}
	begin = time.Now()
	if down {
		if err := s.start(ctx); err != nil {
			return r, err
		}
	}
	r.Healed = -1
	for r.Healed < 0 && time.Since(begin) < healWithin {
		if err := pause(ctx, 2*time.Second); err != nil {
			return r, err
		}
		if matching(s.rows(ctx), before, f.about) == "" && s.fresh(ctx, begin) {
			r.Healed = seconds(begin)
		}
	}
	s.say("  over after %.0f s; rows: %s", r.Healed, strings.Join(s.rows(ctx), " | "))
	return r, nil
}

func seconds(since time.Time) float64 {
	return float64(time.Since(since).Milliseconds()/100) / 10
}

// fresh says whether an event that was received after a moment is found.
func (s *server) fresh(ctx context.Context, after time.Time) bool {
	out, code, err := s.verb(ctx, "events", "list", "--json", "--limit", "1", "--from", after.UTC().Format(time.RFC3339))
	return err == nil && (code == 0 || code == 3) && strings.Contains(string(out), "/soak/")
}

func (s *server) fillDisk(context.Context, *rand.Rand) (func() error, string, error) {
	ballast := filepath.Join(s.disk, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, 1<<20)
	for size := len(block); size >= 4096; {
		if _, err := f.Write(block[:size]); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			return nil, "", err
		}
	}
	return func() error { return os.Remove(ballast) }, "", nil
}

func (s *server) fillInodes(context.Context, *rand.Rand) (func() error, string, error) {
	dir := filepath.Join(s.disk, "many")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	n := 0
	for ; ; n++ {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(n)))
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		if err != nil {
			return nil, "", err
		}
		_ = f.Close()
	}
	return func() error { return os.RemoveAll(dir) }, fmt.Sprintf("(%d files)", n), nil
}

// killWorkers kills every worker as soon as it is there, until undone.
func (s *server) killWorkers(context.Context, *rand.Rand) (func() error, string, error) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			for _, pid := range s.workers() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() error { close(stop); <-done; return nil }, "", nil
}

// replaceProgram does what every upgrade does, with a program that is no worker, and ends the workers that run.
func (s *server) replaceProgram(context.Context, *rand.Rand) (func() error, string, error) {
	if err := s.install("/bin/false"); err != nil {
		return nil, "", err
	}
	for _, pid := range s.workers() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return func() error { return s.install(s.bin) }, "", nil
}

// flip turns one bit of a segment, lets somebody read, and undoes it as one does who has a backup.
func (s *server) flip(ctx context.Context, random *rand.Rand) (func() error, string, error) {
	var files []string
	root := filepath.Join(s.data, "segments")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // merged meanwhile
		}
		if err == nil && d.Type().IsRegular() && !strings.Contains(path, "/.") && strings.HasSuffix(path, ".parquet") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		return nil, "", fmt.Errorf("no segment to flip a byte of: %w", err)
	}
	size := func(path string) int64 {
		st, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return st.Size()
	}
	slices.SortFunc(files, func(a, b string) int { return int(size(b) - size(a)) })
	path := files[random.IntN(min(3, len(files)))] // of the largest
	whole, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = f.Close() }()
	at := 4 + random.IntN(len(whole)-16)
	if _, err := f.WriteAt([]byte{whole[at] ^ 1<<random.IntN(8)}, int64(at)); err != nil {
		return nil, "", err
	}
	if err := f.Sync(); err != nil {
		return nil, "", err
	}
	names, complete, err := s.stored(ctx)
	for name := range names {
		if !isName(name) {
			s.say("  an altered event was served: %q", name)
		}
	}
	short, _ := filepath.Rel(root, path)
	note := fmt.Sprintf("(byte %d of %d of %s; read meanwhile: %d events, whole %t, %v)", at, len(whole), short, len(names), complete, err)
	return func() error {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		return os.WriteFile(path, whole, 0o600)
	}, note, nil
}
