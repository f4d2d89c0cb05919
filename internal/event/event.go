// Package event holds the words of what happened on a host: the event with its process, file and
// network shapes, its kinds, its wire codec, and the one door through which host-made strings become
// text. The struct and its codec are generated from package registry. It knows nothing of rules, stores
// or transport; every other package of ours may import it.
package event

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/event/registry"
)

// Bounds of the wire (architecture.md §4): a decoder refuses more before it allocates.
const (
	MaxEventBytes    = 64 << 10  // one encoded event, as a sensor sends it
	MaxBatchEvents   = 2000      // events in a batch
	MaxBatchExpanded = 4 << 20   // bytes of a batch after decompression
	MaxBatchBytes    = 256 << 10 // bytes of a batch on the wire
	MaxTexts         = 64        // entries of a list field

	// After Textify the same event may be four times as big, since one invalid byte becomes a code point
	// of four bytes. Readers of the log and the store allow for it; otherwise a command line of 20 KiB of
	// \xff, accepted at the door, would be refused by every reader behind it.
	MaxTextEventBytes    = 4 * MaxEventBytes
	MaxTextBatchExpanded = 4 * MaxBatchExpanded
)

// Errors of the codec. Each is wrapped with the place where it was found.
var (
	ErrTooBig    = errors.New("over the size limit")
	ErrMalformed = errors.New("malformed")
)

// OS names the operating system of a host.
type OS uint8

// The operating systems.
const (
	Linux   OS = OS(registry.Linux)
	Windows OS = OS(registry.Windows)
	MacOS   OS = OS(registry.MacOS)
)

func (o OS) String() string {
	switch o {
	case Linux:
		return "linux"
	case Windows:
		return "windows"
	case MacOS:
		return "macos"
	}
	return "os-" + strconv.Itoa(int(o))
}

// Bits of Event.Flags.
const (
	FlagCommandLineTruncated = 1 << iota
	FlagPathTruncated
	FlagUserPointer // a text of the event was read from user memory and may have been changed under our eyes
	FlagUnreadable  // a text could not be read at all
	FlagRecovered   // found by a snapshot or resync, not seen as it happened
	FlagImported
	FlagMemoryFile // the image or file lives on memfd or shared memory
	FlagDeleted    // the image or file had no name left
	FlagCreated    // the act made the file
	FlagCanary     // set by the server only: part of a canary it asked for
	FlagEmptied    // the act emptied a file that had content
	FlagJudged     // the sensor judged Lineage: a role that is not listed is not there
)

// States of Event.HashState.
const (
	HashNone = iota
	HashKnown
	HashPending
	HashTooBig
	HashGone
	HashError
	HashHung // the file system of the image did not answer
)

// Reasons of sensor.capability that a server knows by themselves: every hook works, and something else is in the way.
const (
	ReasonStalled   = "the sensor holds events of the kernel and cannot go on: find out what it waits for, or restart it"
	ReasonHungFiles = "a file system does not answer, programs on it have no hash: find the mount, bring its server back or unmount it with `umount -f`"
)

// TamperFrozen is the subject of a sensor.tamper by which a sensor tells that it was stopped for a while (from_ns to to_ns)
// and went on. The server makes a detection of it (package coverage).
const TamperFrozen = "frozen"

// Lane orders what is kept when not all can be. Numbers are on the wire.
type Lane uint8

// The lanes. Critical is never shed while anything else is kept.
const (
	Critical Lane = iota
	Network
	Bulk
)

func (l Lane) String() string {
	switch l {
	case Critical:
		return "critical"
	case Network:
		return "network"
	case Bulk:
		return "bulk"
	}
	return "lane-" + strconv.Itoa(int(l))
}

// Lanes lists every lane.
var Lanes = [...]Lane{Critical, Network, Bulk}

// HostID is the UUIDv7 of a host.
type HostID uuid.UUID

// String gives the text form "h-…".
func (h HostID) String() string { return "h-" + uuid.UUID(h).String() }

// ParseHostID reads the text form.
func ParseHostID(s string) (HostID, error) {
	rest, ok := strings.CutPrefix(s, "h-")
	if !ok {
		return HostID{}, fmt.Errorf("host id %q does not start with h-", s)
	}
	u, err := uuid.Parse(rest)
	if err != nil {
		return HostID{}, fmt.Errorf("host id %q: %w", s, err)
	}
	// uuid.Parse also takes braces, urn: and other spellings; one host has one name.
	if HostID(u).String() != s {
		return HostID{}, fmt.Errorf("host id %q is not in its text form %s", s, HostID(u))
	}
	return HostID(u), nil
}

// ID names one event for ever: the same id with other content is a fault.
type ID struct {
	Host   HostID
	Stream uint64
	Lane   Lane
	Seq    uint64 // from 1, without holes
}

// String gives the text form HOST/e-STREAM.LANE.SEQ with the stream in hexadecimal.
func (id ID) String() string {
	return fmt.Sprintf("%s/e-%016x.%d.%d", id.Host, id.Stream, id.Lane, id.Seq)
}

// ParseID reads the text form of an event id.
func ParseID(s string) (ID, error) {
	host, rest, ok := strings.Cut(s, "/e-")
	if !ok {
		return ID{}, fmt.Errorf("event id %q is not HOST/e-STREAM.LANE.SEQ", s)
	}
	h, err := ParseHostID(host)
	if err != nil {
		return ID{}, fmt.Errorf("event id %q: %w", s, err)
	}
	part := strings.Split(rest, ".")
	if len(part) != 3 {
		return ID{}, fmt.Errorf("event id %q is not HOST/e-STREAM.LANE.SEQ", s)
	}
	stream, err1 := strconv.ParseUint(part[0], 16, 64)
	lane, err2 := strconv.ParseUint(part[1], 10, 8)
	seq, err3 := strconv.ParseUint(part[2], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return ID{}, fmt.Errorf("event id %q: %w", s, err)
	}
	id := ID{Host: h, Stream: stream, Lane: Lane(lane), Seq: seq}
	if id.String() != s {
		return ID{}, fmt.Errorf("event id %q is not in its text form %s", s, id)
	}
	return id, nil
}

// Key is a process key: 128 opaque bits, unique inside one host. One may only ask whether two are equal;
// the zero Key names no process.
type Key [16]byte

var keyText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String gives the text form "p-…"; empty for the zero Key.
func (k Key) String() string {
	if k == (Key{}) {
		return ""
	}
	return "p-" + keyText.EncodeToString(k[:])
}

// ParseKey reads the text form of a process key.
func ParseKey(s string) (Key, error) {
	var k Key
	rest, ok := strings.CutPrefix(s, "p-")
	if !ok || len(rest) != 26 {
		return k, fmt.Errorf("process key %q is not p- and 26 letters", s)
	}
	b, err := keyText.DecodeString(rest)
	if err != nil {
		return k, fmt.Errorf("process key %q: %w", s, err)
	}
	copy(k[:], b)
	// 26 letters hold two bits more than a key, and base32 skips line ends: only one spelling is taken.
	if k.String() != s {
		return Key{}, fmt.Errorf("process key %q is not in its text form", s)
	}
	return k, nil
}

// LinuxKey makes the key of a Linux process from the start of its group leader (ns since boot), its
// tgid and the tag of the boot. Only the sensor and its tests call it.
func LinuxKey(startBootNS uint64, tgid uint32, bootTag uint32) Key {
	var k Key
	binary.BigEndian.PutUint64(k[0:], startBootNS)
	binary.BigEndian.PutUint32(k[8:], tgid)
	binary.BigEndian.PutUint32(k[12:], bootTag)
	return k
}

// WindowsKey makes the key of a Windows process from its start (FILETIME, 100 ns since 1601), its pid and
// the tag of the boot.
func WindowsKey(startFILETIME uint64, pid uint32, bootTag uint32) Key {
	return LinuxKey(startFILETIME, pid, bootTag)
}

// ImportKey makes the key of a process of an imported recording from what names it there: its
// ProcessGuid, or pid and start. The first 16 bytes of SHA-256 over the host's bytes and that name.
func ImportKey(host HostID, name string) Key {
	sum := sha256.Sum256(append(append([]byte{}, host[:]...), name...))
	return Key(sum[:16])
}

// Ref is a process reference: a host and a key on it.
type Ref struct {
	Host HostID
	Key  Key
}

// String gives HOST/p-…, or nothing when it is no process: an event of the sensor itself has none.
func (r Ref) String() string {
	if r.Key == (Key{}) {
		return ""
	}
	return r.Host.String() + "/" + r.Key.String()
}

// ParseRef reads HOST/p-….
func ParseRef(s string) (Ref, error) {
	host, key, ok := strings.Cut(s, "/")
	if !ok {
		return Ref{}, fmt.Errorf("process %q is not HOST/p-…", s)
	}
	h, err := ParseHostID(host)
	if err != nil {
		return Ref{}, fmt.Errorf("process %q: %w", s, err)
	}
	k, err := ParseKey(key)
	if err != nil {
		return Ref{}, fmt.Errorf("process %q: %w", s, err)
	}
	return Ref{Host: h, Key: k}, nil
}

// Base gives the last part of a path, by the rules of its OS. A Windows path is never split inside a
// double-byte character because it is already text.
func Base(os OS, p string) string {
	if os == Windows {
		if i := strings.LastIndexAny(p, `\/`); i >= 0 {
			return p[i+1:]
		}
		return p
	}
	if p == "" {
		return "" // path.Base says ".", which is the name of something
	}
	return path.Base(p)
}

// Stamped is an event as the server holds it: with its id and its tenant-side names.
type Stamped struct {
	ID    ID
	Event *Event
}
