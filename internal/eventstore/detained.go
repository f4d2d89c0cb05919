package eventstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Errors of Retry.
var (
	ErrNotKept  = errors.New("there is no such thing in quarantine: `yagura quarantine list` shows what is there")
	ErrDamaged  = errors.New("its bytes are damaged: nothing can read them")
	ErrStillBad = errors.New("it cannot be stored yet")
)

// Detained is a record of the log, or a batch of one, that lies in quarantine.
type Detained struct {
	ID      string
	At      time.Time
	Bytes   int64
	Events  int64 // 0 when the bytes are damaged
	Hosts   []event.HostID
	Reason  string
	Damaged bool
}

var keptName = regexp.MustCompile(`^(record|batch)(-[0-9]{1,20}){2,3}$`)

func (s *Store) keptPath(id string) string { return filepath.Join(s.dir, "quarantine", id+".bin") }

// kept gives the ids of what lies in quarantine, in the order of their names.
func (s *Store) kept() (ids []string, err error) {
	names, err := os.ReadDir(filepath.Join(s.dir, "quarantine"))
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	for _, n := range names {
		if id, ok := strings.CutSuffix(n.Name(), ".bin"); ok && keptName.MatchString(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Detained lists what of a tenant lies in quarantine, the oldest first; what nothing can read is anybody's.
func (s *Store) Detained(t tenant.ID) ([]Detained, error) {
	ids, err := s.kept()
	if err != nil {
		return nil, err
	}
	var out []Detained
	for _, id := range ids {
		raw, err := os.ReadFile(s.keptPath(id))
		if err != nil {
			return nil, fmt.Errorf("read %s of the quarantine: %w", id, err)
		}
		k := Detained{ID: id, Bytes: int64(len(raw))}
		if st, err := os.Stat(s.keptPath(id)); err == nil {
			k.At = st.ModTime()
		}
		if why, err := os.ReadFile(s.keptPath(id) + ".txt"); err == nil {
			k.Reason = strings.TrimSpace(string(why))
		}
		batches, err := stream.DecodeRecord(raw)
		k.Damaged = err != nil
		mine := k.Damaged
		for i := range batches {
			if b := &batches[i]; b.Tenant == t {
				mine = true
				k.Events += int64(b.Count)
				if !slices.Contains(k.Hosts, b.Host) {
					k.Hosts = append(k.Hosts, b.Host)
				}
			}
		}
		if mine {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b Detained) int { return a.At.Compare(b.At) })
	return out, nil
}

// tellKept raises the fault of a quarantine that holds something, and clears it for one that holds nothing.
func (s *Store) tellKept() {
	names, err := filepath.Glob(filepath.Join(s.dir, "quarantine", "*-*.bin"))
	if err == nil && len(names) > 0 {
		err = fault.Told(fmt.Sprintf("%d records or batches", len(names)), fmt.Sprintf("%d 個", len(names)))
	}
	s.opts.Faults.Report(fault.Quarantine, "", err)
}

// retryToken names the files that a batch from the quarantine becomes. It comes from the batch, so that one which was
// taken in before a crash is known again.
func retryToken(b stream.Batch) string {
	sum := sha256.Sum256(stream.EncodeRecord([]stream.Batch{b}))
	return "retry-" + hex.EncodeToString(sum[:16])
}

// settleRetries takes out of the quarantine what was taken in just before the server ended. Nothing was merged since.
func (s *Store) settleRetries(files []File) error {
	taken := map[string]bool{}
	for _, f := range files {
		if name, _, ok := strings.Cut(strings.TrimPrefix(filepath.Base(f.Path), "retry-"), "-"); ok && strings.HasPrefix(filepath.Base(f.Path), "retry-") {
			taken["retry-"+name] = true
		}
	}
	if len(taken) == 0 {
		return nil
	}
	ids, err := s.kept()
	if err != nil {
		return err
	}
	for _, id := range ids {
		raw, err := os.ReadFile(s.keptPath(id))
		if err != nil {
			continue
		}
		batches, err := stream.DecodeRecord(raw)
		if err != nil {
			continue
		}
		rest := slices.DeleteFunc(slices.Clone(batches), func(b stream.Batch) bool { return taken[retryToken(b)] })
		if len(rest) < len(batches) {
			if err := s.keep(id, rest); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep leaves these batches under an id, none: the id is gone.
func (s *Store) keep(id string, rest []stream.Batch) error {
	path := s.keptPath(id)
	if len(rest) > 0 {
		if err := durable.Replace(path, stream.EncodeRecord(rest)); err != nil {
			return fmt.Errorf("keep the rest of %s in quarantine: %w", id, err)
		}
		return nil
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("take %s out of quarantine: %w", id, err)
	}
	_ = os.Remove(path + ".txt") // it says nothing without the other
	return durable.SyncFolder(filepath.Dir(path))
}

// Retry tries to store what lies in quarantine under an id, batch by batch: after an upgrade, or when the reason was
// another than it seemed. It gives what was stored. What still cannot be read stays, and the error says why. An event
// that is stored already is not stored again.
func (s *Store) Retry(ctx context.Context, t tenant.ID, id string) (stored []Quarantined, err error) {
	if !keptName.MatchString(id) {
		return nil, fmt.Errorf("%s: %w", id, ErrNotKept)
	}
	s.retrying.Lock()
	defer s.retrying.Unlock()
	raw, err := os.ReadFile(s.keptPath(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", id, ErrNotKept)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of the quarantine: %w", id, err)
	}
	batches, err := stream.DecodeRecord(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: sensors that still held its events have sent them again", id, ErrDamaged)
	}
	var rest []stream.Batch
	var files []File
	var why error
	drop := func() {
		for i := range batches {
			s.forget(retryToken(batches[i]))
		}
	}
	for i := range batches {
		b := batches[i]
		if b.Tenant != t {
			rest = append(rest, b)
			continue
		}
		made, err := s.retryOne(ctx, b)
		if d, dead := errors.AsType[*death](err); err != nil && (ctx.Err() != nil || dead && d.how == unborn) {
			drop()
			return nil, err
		}
		if err != nil {
			rest, why = append(rest, b), err
			continue
		}
		files = append(files, made...)
		stored = append(stored, Quarantined{Batch: i, Tenant: b.Tenant, Host: b.Host, StreamLane: StreamLane{b.Stream, b.Lane}, Range: batchRange(&b)})
	}
	if len(stored) > 0 {
		if err := s.opts.Manifest.Swap(ctx, nil, files); err != nil {
			drop()
			return nil, fmt.Errorf("store %s: %w", id, err)
		}
		if err := s.keep(id, rest); err != nil {
			return stored, err
		}
	}
	s.tellKept()
	if why != nil {
		return stored, fmt.Errorf("%d of %d batches of %s: %w: %w", len(rest), len(batches), id, ErrStillBad, why)
	}
	return stored, nil
}

// retryOne makes the files of one batch, without what is stored of it already.
func (s *Store) retryOne(ctx context.Context, b stream.Batch) ([]File, error) {
	skip, err := s.found(ctx, &b)
	if err != nil {
		return nil, err
	}
	token := retryToken(b)
	ctx, cancel := context.WithTimeout(ctx, 5*s.opts.HotTime)
	defer cancel()
	e := Entry{Shard: stream.ShardOf(b.Host), Skip: skip, Batches: []stream.Batch{b}}
	a, err := s.seals.do(ctx, Request{Op: "retry", Token: token}, []Entry{e}, nil)
	if err == nil && len(a.Quarantined) > 0 {
		err = errors.New(a.Quarantined[0].Reason)
	}
	if err != nil {
		s.forget(token)
		return nil, err
	}
	for i := range a.Files {
		a.Files[i].Shard, a.Files[i].First, a.Files[i].Last = -1, 0, 0
	}
	return a.Files, nil
}

// found gives which events of a batch can be found in the store.
func (s *Store) found(ctx context.Context, b *stream.Batch) ([]Skip, error) {
	var have seq.Set
	for first := b.First; first < b.First+uint64(b.Count); first += maxIDs {
		var ids []event.ID
		for n := first; n < min(first+maxIDs, b.First+uint64(b.Count)); n++ {
			ids = append(ids, event.ID{Host: b.Host, Stream: b.Stream, Lane: b.Lane, Seq: n})
		}
		a, err := s.Events(ctx, Query{Tenant: b.Tenant, IDs: ids, Limit: MaxLimit})
		if err != nil {
			return nil, fmt.Errorf("look what is stored of it: %w", err)
		}
		if len(a.Missing) > 0 {
			return nil, errors.New("stored files cannot be read that may hold it: `yagura store` names them")
		}
		for _, e := range a.Events {
			have.Add(seq.Range{First: e.ID.Seq, Last: e.ID.Seq})
		}
	}
	var out []Skip
	for _, r := range have {
		out = append(out, Skip{Range: r})
	}
	return out, nil
}
