// Package detection holds the word for what a rule found in an event. Only the server raises
// detections; the id is deterministic, so judging an event twice makes one.
package detection

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Severity orders detections and incidents.
type Severity uint8

// The severities, as Sigma levels name them.
const (
	Informational Severity = iota + 1
	Low
	Medium
	High
	Critical
)

var severities = map[Severity]string{Informational: "informational", Low: "low", Medium: "medium", High: "high", Critical: "critical"}

func (s Severity) String() string {
	if n, ok := severities[s]; ok {
		return n
	}
	return fmt.Sprintf("severity-%d", uint8(s))
}

// ParseSeverity reads a Sigma level.
func ParseSeverity(s string) (Severity, error) {
	for v, n := range severities {
		if n == s {
			return v, nil
		}
	}
	return 0, fmt.Errorf("level %q is none of informational, low, medium, high, critical", s)
}

// Said is a sentence in both languages of the product. Ja is empty only for imported rules.
type Said struct {
	En string `json:"en" yaml:"en"`
	Ja string `json:"ja" yaml:"ja"`
}

// In gives the sentence in a language, falling back to English.
func (s Said) In(lang string) string {
	if lang == "ja" && s.Ja != "" {
		return s.Ja
	}
	return s.En
}

// Match is one field that a rule looked at and found.
type Match struct {
	Field     string `json:"field"`
	Value     string `json:"value"`
	Selection string `json:"selection"`
}

// Detection is what a rule found in one event.
type Detection struct {
	ID          string // "d-" and 32 hex digits, see NewID
	Tenant      tenant.ID
	RuleID      string
	RuleVersion string // hash of the rule's content
	Title       Said
	Why         Said // why it matters
	Todo        Said // what to do
	Severity    Severity
	ATTACK      []string // technique ids, and tactics as "tactic:execution"
	Author      string
	Licence     string
	Matched     []Match
	Event       event.Stamped // the event it was found in
	Detected    int64         // µs UTC, server
	Canary      bool          // proves sight; kept out of queues and incidents
}

// NewID gives the id of a detection: the same rule, version and event give the same id.
func NewID(ruleID, ruleVersion string, e event.ID) string {
	h := sha256.New()
	h.Write([]byte("yagura-detection-v1\n" + ruleID + "\n" + ruleVersion + "\n" + e.String() + "\n"))
	return "d-" + hex.EncodeToString(h.Sum(nil)[:16])
}
