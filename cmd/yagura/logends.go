package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/stream"
)

// logEnds is the last record of each shard that was acknowledged, as it stood some seconds before the server
// ended. An acknowledged record is on the disk, so a log that ends before it has lost something. The log cannot
// say so itself: what it finds damaged at a start it cuts off.
type logEnds [stream.Shards]uint64

// endsFile stands outside the log's folder: that may be lost whole.
const endsFile = "log-ends.json"

func (p *parts) endsNow() (out logEnds) {
	for i := range out {
		_, out[i], _ = p.stream.State(i)
	}
	return out
}

// missedEnds tells what the log had acknowledged and has no more, and is not sealed either. found is where the log
// ended when it was opened.
func (p *parts) missedEnds(ctx context.Context, found logEnds) {
	b, err := os.ReadFile(p.dir.file(endsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var kept logEnds
	if err == nil {
		err = json.Unmarshal(b, &kept)
	}
	if err != nil {
		p.log.WarnContext(ctx, "where the log ended last is not known: a damaged log cannot be told", slog.Any("err", err))
		return
	}
	var records uint64
	shards := 0
	for i, end := range kept {
		if safe := max(found[i], p.store.Sealed(i)); end > safe {
			records, shards = records+end-safe, shards+1
		}
	}
	if records > 0 {
		d := say.Both("%d records in %d of %d parts", records, shards, stream.Shards)
		p.faults.Raise(fault.LogLost, "", fault.Told(d.En, d.Ja))
	}
}

// keepEnds writes where the log ends when that has changed.
func (p *parts) keepEnds(ctx context.Context, last *logEnds) {
	now := p.endsNow()
	if now == *last {
		return
	}
	b, err := json.Marshal(now)
	if err == nil {
		err = durable.Replace(p.dir.file(endsFile), b)
	}
	if err != nil {
		p.log.WarnContext(ctx, "where the log ends is not kept, trying again", slog.Any("err", err))
		return
	}
	*last = now
}
