package eventstore

import (
	"context"
	"errors"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// File is one immutable segment as the manifest names it.
type File struct {
	Tenant   tenant.ID
	Path     string // below the data directory, with slashes
	Day      string // 2006-01-02 of Time, UTC
	Group    string // process, network, file, other
	Level    int    // 0 sealed, 1 merged from some seals, 2 the day
	MinTime  int64  // µs UTC
	MaxTime  int64
	Received int64 // newest received: retention counts from it
	MinHost  string
	MaxHost  string
	Rows     int64
	Bytes    int64
	Registry int // registry version it was written with
	Shard    int // -1 once several shards were merged
	First    uint64
	Last     uint64 // records of the log it came from; 0 once merged
	Sum      string // SHA-256 of the file in hexadecimal, as it was when it was made; empty: made before sums were kept
	Checked  int64  // when its bytes were last compared with Sum, µs UTC; 0 never
	Bad      string // why it is read no more; empty: it is
}

// Shards is the number of shards of the log, for those who keep its cursors.
const Shards = stream.Shards

// StreamLane names one sequence of a host.
type StreamLane struct {
	Stream uint64
	Lane   event.Lane
}

// Covered says which sequence numbers of one stream and lane are settled: in a segment, in quarantine, or
// reported as dropped by the sensor itself. Told ones are the sensor's word alone: they settle something of a stream
// of which anything is settled already, and nothing else, since a host may name any stream.
type Covered struct {
	Tenant tenant.ID
	Host   event.HostID
	StreamLane
	Ranges seq.Set
	Told   bool
}

// MaxRanges bounds the ranges of one lane that are remembered. Past it the highest are forgotten: the sensor then keeps
// those events longer than it must, and nothing is lost.
const MaxRanges = 4096

// MaxSettled bounds the lanes of one host whose settled numbers are kept: 256 starts of its sensor with three lanes
// each. Beyond it those that changed longest ago are forgotten: their streams are long over.
const MaxSettled = 768

// Seal is everything that one seal changes. It is stored whole or not at all.
type Seal struct {
	Shard   int
	First   uint64 // the record after the shard's cursor
	Last    uint64 // the new cursor
	Files   []File
	Covered []Covered
}

// Want narrows a snapshot. Zero fields do not narrow.
type Want struct {
	Tenant tenant.ID
	From   int64 // newest event at or after, µs UTC
	To     int64 // oldest event before
	Groups []string
	Host   string // text form
}

// Snapshot is the manifest at one moment.
type Snapshot struct {
	Files   []File
	Cursors [Shards]uint64
}

// Errors of a Manifest.
var (
	// ErrStale means that the manifest changed under a Seal or a Swap; nothing was stored.
	ErrStale = errors.New("the manifest has moved on")
)

// Manifest keeps which segments exist and how far each shard is sealed. No other place keeps positions.
// The control database implements it.
type Manifest interface {
	// Seal stores s in one transaction. ErrStale unless the cursor stands right before s.First.
	Seal(ctx context.Context, s Seal) error
	// Snapshot reads files and cursors in one read transaction.
	Snapshot(ctx context.Context, w Want) (Snapshot, error)
	// Segments gives all files of all tenants.
	Segments(ctx context.Context) ([]File, error)
	// Swap replaces files by others in one transaction. ErrStale unless all of old are still there.
	Swap(ctx context.Context, old, merged []File) error
	// Adopt takes files back that the manifest did not name, with the events they settle, and drops the rows
	// of gone, whose events are all in them, in one transaction. ErrStale when one is there or gone already.
	Adopt(ctx context.Context, files []File, covered []Covered, gone []File) error
	// Checked keeps Sum, Checked and Bad of a segment.
	Checked(ctx context.Context, f File) error
	// Expire removes the files whose newest received lies before a time, and gives them.
	Expire(ctx context.Context, before int64) ([]File, error)
	// Covered gives what is settled of some lanes of a host, or of all of them when none is named.
	Covered(ctx context.Context, t tenant.ID, h event.HostID, of ...StreamLane) (map[StreamLane]seq.Set, error)
}
