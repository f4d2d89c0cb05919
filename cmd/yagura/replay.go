package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/event"
)

type replayVerb struct {
	Files []string `arg:"" help:"Recordings: NDJSON as yagura-sensor watch prints, or batches (zstd), - for standard input." name:"file"`
	Host  string   `help:"Name of the host that the recording shall belong to." default:"replay"`
	Now   bool     `help:"Move the recording so that its last event is now; otherwise it keeps its own times."`
}

// Help shows examples.
func (replayVerb) Help() string {
	return "A recording goes the whole way of a live event: a host is enrolled for it, its batches are uploaded, judged and stored.\n\n" +
		"Examples:\n  sudo timeout 60 yagura-sensor watch > attack.ndjson # record a minute\n  yagura replay attack.ndjson\n  yagura replay --host web-07 --now attack.ndjson     # as if it happened just now"
}

// maxReplay bounds the events of one replay, which are held in memory.
const maxReplay = 2_000_000

// Run replays recordings.
func (v replayVerb) Run(s *shell) error {
	var events []*event.Event
	for _, name := range v.Files {
		read, err := s.readRecording(name)
		if err != nil {
			return err
		}
		if events = append(events, read...); len(events) > maxReplay {
			return fmt.Errorf("replay: more than %d events: split the recording", maxReplay)
		}
	}
	if len(events) == 0 {
		return fmt.Errorf("replay: the recording holds no event")
	}
	v.date(events)
	host, err := s.upload(v.Host, events)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"host": host.String(), "events": len(events)})
	}
	s.printf("%s\n", s.say("%d events replayed as %s (%s)", len(events), event.Show(v.Host), host))
	return nil
}

// date marks events as imported, which lets them keep their own times.
func (v replayVerb) date(events []*event.Event) {
	var newest int64
	for _, e := range events {
		newest = max(newest, e.HostTime, e.Time)
	}
	shift := int64(0)
	if v.Now && newest > 0 {
		shift = time.Now().UnixMicro() - newest
	}
	for _, e := range events {
		if e.HostTime == 0 {
			e.HostTime = e.Time
		}
		if e.HostTime == 0 {
			e.HostTime = time.Now().UnixMicro()
		} else {
			e.HostTime += shift
		}
		e.Time, e.Received = 0, 0
		e.Flags |= event.FlagImported
	}
}

// readRecording reads NDJSON, or one batch as it travels.
func (s *shell) readRecording(name string) ([]*event.Event, error) {
	in := s.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("replay %s: %w", name, err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	r := bufio.NewReaderSize(in, event.MaxJSONLine)
	if magic, err := r.Peek(4); err == nil && bytes.Equal(magic, []byte{0x28, 0xB5, 0x2F, 0xFD}) {
		return readBatch(name, r)
	}
	var events []*event.Event
	for line := 1; ; line++ {
		b, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("replay %s: line %d is longer than %d bytes", name, line, event.MaxJSONLine)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("replay %s: line %d: %w", name, line, err)
		}
		if b = bytes.TrimSpace(b); len(b) > 0 {
			e, perr := event.FromJSON(b)
			if perr != nil {
				return nil, fmt.Errorf("replay %s: line %d: %w", name, line, perr)
			}
			if events = append(events, e); len(events) > maxReplay {
				return nil, fmt.Errorf("replay %s: more than %d events: split the recording", name, maxReplay)
			}
		}
		if err != nil {
			return events, nil
		}
	}
}

func readBatch(name string, r io.Reader) ([]*event.Event, error) {
	z, err := zstd.NewReader(io.LimitReader(r, event.MaxBatchBytes+1), zstd.WithDecoderMaxMemory(event.MaxBatchExpanded), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", name, err)
	}
	defer z.Close()
	raw, err := io.ReadAll(io.LimitReader(z, event.MaxBatchExpanded+1))
	if err != nil {
		return nil, fmt.Errorf("replay %s: expand the batch: %w", name, err)
	}
	if len(raw) > event.MaxBatchExpanded {
		return nil, fmt.Errorf("replay %s: the batch expands to more than %d bytes: %w", name, event.MaxBatchExpanded, event.ErrTooBig)
	}
	events, err := event.DecodeBatch(raw)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", name, err)
	}
	return events, nil
}
