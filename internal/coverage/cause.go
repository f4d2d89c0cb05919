package coverage

import "github.com/yagura-edr/yagura/internal/detection"

// Cause says why a row stands. The server alone writes it, and decides by it and by the state; a row's reason is text
// for people, and a sensor may put any words there.
type Cause string

// The causes of rows.
const (
	Declared  Cause = "declared"    // the sensor says so of itself
	Missed    Cause = "missed"      // an act of the canary did not come through
	Gap       Cause = "gap"         // events were numbered and did not come
	Throttled Cause = "throttled"   // acts of one loud process are held back, and counted
	Held      Cause = "held"        // the same of the bulk lane: noise of a build or a backup
	Lost      Cause = "lost"        // events are gone
	Detained  Cause = "quarantined" // events lie in the server's quarantine: the host is not the cause
	Returned  Cause = "returned"    // they did, and are stored now
	NoSign    Cause = "silent"      // nothing is heard of the sensor
	Stopped   Cause = "stopped"     // somebody stopped it, by its own word
	ShutDown  Cause = "shutdown"    // it ended because its host goes down
	Planned   Cause = "planned"     // stopped in a maintenance that was ordered
	Replayed  Cause = "replayed"    // a recording: nothing is watched there
)

// texts are what a row says of causes that need no words of a sensor.
var texts = map[Cause]string{
	NoSign:    "no sign of life from the sensor",
	Stopped:   "the sensor was stopped", // who did it follows, when that is known
	ShutDown:  "the sensor was stopped",
	Planned:   "the sensor was stopped during a maintenance that was ordered",
	Replayed:  "a recording that was replayed: nothing is watched there",
	Detained:  "in quarantine",
	Throttled: "held back, and counted",
	Held:      "file events held back, and counted",
	Returned:  "it was in quarantine and is stored now",
}

// Text gives why a row stands, in English, for people.
func (r *Row) Text() string {
	text := texts[r.Cause]
	switch {
	case text == "":
		return r.Reason
	case r.Reason == "":
		return text
	}
	return text + ": " + r.Reason
}

// finding is what is thought of one class of a host from one point of view: the sensor's own word, a budget, a hole, the
// canary. Several hold at once; the worst is written.
type finding struct {
	state  State
	cause  Cause
	reason string
	since  int64
}

// severity is the table by which everything that stands is judged: how bad it is that a class is in a state for a cause.
// What a sensor declares is never better than what the canary proves, and noise never covers what is missed.
//
//	state                  cause      severity
//	full                   any        none (0)
//	blind, silent          any        high
//	partial, unprotected   missed     high: it was seen to fail
//	partial, unprotected   held       informational: counted, by design
//	partial, unprotected   any other  low: said openly, and counted
func severity(s State, c Cause) detection.Severity {
	switch {
	case s == Full:
		return 0
	case s == Blind || s == Silent || c == Missed:
		return detection.High
	case c == Held:
		return detection.Informational
	}
	return detection.Low
}

// precedence orders causes of one severity and state: what was seen from here comes before what a sensor says.
var precedence = map[Cause]int{Missed: 4, Gap: 3, Declared: 2, Throttled: 1, Held: 0}

// worse says whether s is to be written rather than o.
func (s finding) worse(o finding) bool {
	if a, b := severity(s.state, s.cause), severity(o.state, o.cause); a != b {
		return a > b
	}
	if rank[s.state] != rank[o.state] {
		return rank[s.state] > rank[o.state]
	}
	return precedence[s.cause] > precedence[o.cause]
}

var rank = map[State]int{Full: 0, Partial: 1, Unprotected: 2, Blind: 3, Silent: 4}
