package sense

// States of a capability, as events and the server's coverage have them.
const (
	StateFull    = "full"
	StatePartial = "partial"
	StateBlind   = "blind"
)

// Capability says what can be seen of one event class.
type Capability struct {
	Class  string // process, network, dns, file, memory
	State  string // full, partial, blind
	Reason string // why not more, in one sentence; empty when full
}

// Lower notes something that is not seen: all of the class when blind is set.
func (c *Capability) Lower(blind bool, why string) {
	if blind {
		c.State = StateBlind
	} else if c.State == StateFull {
		c.State = StatePartial
	}
	if c.Reason != "" {
		c.Reason += "; "
	}
	c.Reason += why
}

// Counters says what became of the acts of one class. Seen = Filtered + Repeated + Throttled + Submitted +
// RingFull + NoScratch, but for acts in flight.
type Counters struct {
	Seen      uint64 // acts that a program was asked about
	Filtered  uint64 // of no interest
	Repeated  uint64 // the same act of the same process a moment ago
	Throttled uint64 // held back by the process's budget
	Submitted uint64 // handed to a ring
	RingFull  uint64 // lost: no room in the ring
	NoScratch uint64 // lost: no room to build the record
	Rescued   uint64 // of those submitted: told by a second program, because the kernel had skipped the first
	Missed    uint64 // lost: the kernel did not run the program, which was running already on that CPU
}

// Lost counts what was seen and not handed over.
func (c Counters) Lost() uint64 { return c.RingFull + c.NoScratch + c.Missed }
