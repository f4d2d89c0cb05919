package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// Longest effect of a reversible act; it ends by itself.
const (
	MaxEffect           = 7 * 24 * time.Hour
	MaxAutomationEffect = 24 * time.Hour // for automation keys
	MaxMaintenance      = 24 * time.Hour
)

// KillArguments are those of kill, suspend and resume. A process is named by its key alone, so a pid that
// was given to another process meanwhile is never hit.
type KillArguments struct {
	Process string `json:"process"`        // p-…
	Tree    bool   `json:"tree,omitempty"` // its descendants too
}

// IsolateArguments are those of isolate. The isolation ends by itself after Seconds.
type IsolateArguments struct {
	Seconds int64    `json:"seconds"`
	Allow   []string `json:"allow,omitempty"` // further addresses or networks that stay reachable
}

// MaintenanceArguments are those of maintenance: for so long the sensor may be stopped without an alarm. The newest order
// counts, so one of a second ends it.
type MaintenanceArguments struct {
	Seconds int64 `json:"seconds"`
}

// ReleaseArguments are those of release.
type ReleaseArguments struct{}

// EncodeArguments gives the bytes whose SHA-256 a command carries.
func EncodeArguments(a any) ([]byte, error) {
	b, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode arguments: %w", err)
	}
	return b, nil
}

// DecodeArguments reads arguments strictly into a: an unknown name is refused.
func DecodeArguments(b []byte, a any) error {
	if len(b) > MaxArguments {
		return flawf("arguments of %d bytes, at most %d are read", len(b), MaxArguments)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(a); err != nil {
		return flawf("arguments are not what the verb takes: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return flawf("something follows the arguments")
	}
	return nil
}

// checkArguments refuses arguments that the verb could not be carried out with.
func checkArguments(v Verb, b []byte) error {
	switch v {
	case Kill, Suspend, Resume:
		var a KillArguments
		if err := DecodeArguments(b, &a); err != nil {
			return err
		}
		if k, err := event.ParseKey(a.Process); err != nil || k == (event.Key{}) {
			return flawf("process %q is no process key (p-…)", a.Process)
		}
	case Isolate:
		var a IsolateArguments
		if err := DecodeArguments(b, &a); err != nil {
			return err
		}
		if a.Seconds <= 0 || a.Seconds > int64(MaxEffect/time.Second) {
			return flawf("isolation of %d s: say how long, at most %s", a.Seconds, MaxEffect)
		}
		if len(a.Allow) > 64 {
			return flawf("%d addresses to keep reachable, at most 64", len(a.Allow))
		}
	case Maintenance:
		var a MaintenanceArguments
		if err := DecodeArguments(b, &a); err != nil {
			return err
		}
		if a.Seconds <= 0 || a.Seconds > int64(MaxMaintenance/time.Second) {
			return flawf("maintenance of %d s: say how long, at most %s", a.Seconds, MaxMaintenance)
		}
	case Release, ListProcesses:
		return DecodeArguments(b, &ReleaseArguments{})
	default:
		if len(b) > MaxArguments {
			return flawf("arguments of %d bytes, at most %d are read", len(b), MaxArguments)
		}
	}
	return nil
}

// effect is how long the act of a command lasts; 0 when it is over at once.
func effect(v Verb, b []byte) time.Duration {
	switch v {
	case Isolate:
		var a IsolateArguments
		if DecodeArguments(b, &a) == nil {
			return time.Duration(a.Seconds) * time.Second
		}
	case Maintenance:
		var a MaintenanceArguments
		if DecodeArguments(b, &a) == nil {
			return time.Duration(a.Seconds) * time.Second
		}
	default:
	}
	return 0
}

// Effect is how long the act of a checked command lasts; 0 when it is over at once.
func (s Signed) Effect(v Verb) time.Duration { return effect(v, s.Arguments) }
