package sense

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// Isolator cuts this host off from the network but for its server, and lets it go. What it holds up outlives the sensor.
type Isolator interface {
	// TakeUp takes up what an earlier start left and is still due. It comes first in the life of a sensor.
	TakeUp(ctx context.Context)
	// Run proves an isolation again and again, and ends it when it is over, until ctx ends.
	Run(ctx context.Context) error
	// Isolate cuts the host off for d, but for what must stay reachable and the further networks in allow.
	Isolate(ctx context.Context, d time.Duration, allow []string) (IsolationProof, error)
	// Release ends the isolation. Releasing a host that is not isolated changes nothing and is proven too.
	Release(ctx context.Context) (IsolationProof, error)
	State() Isolation
	// Close lets go. An isolation that holds by itself stays.
	Close() error
}

// IsolationOptions are what an isolator is told by whoever runs it.
type IsolationOptions struct {
	StateFile string                                   // survives a restart of the sensor
	Cgroup    string                                   // cgroup2 folder that is isolated alone, where there are cgroups; empty: the whole host
	Keep      func(ctx context.Context) (Reach, error) // what must stay reachable
	Tell      func(Tamper)                             // takes what somebody did to an isolation; it must be quick, and call nothing of the isolator
	Log       *slog.Logger
}

// Reach is what must stay reachable while a host is isolated: the server, or the proxy on the way to it.
type Reach struct {
	Addrs []netip.Addr
	Port  uint16 // of TCP; 0: every port and protocol
	Probe string // host:port that answers TCP, to prove that the way is open; empty: not proven
}

// Target is where a packet goes that must not leave an isolated host.
type Target struct {
	Addr   netip.AddrPort
	Device string // the interface that it must leave by, whatever the routes say; empty: as they say
}

func (t Target) String() string {
	if t.Device == "" {
		return t.Addr.String()
	}
	return t.Addr.String() + " by " + t.Device
}

// Tamper is what somebody did to an isolation, or past it.
type Tamper struct {
	Subject  string // isolation, packet socket
	State    string // lost, restored, found; open
	Reason   string
	From, To uint64 // ns since boot: when it was last looked at before, and when it was seen
}

// Isolation says whether the host is isolated.
type Isolation struct {
	Active    bool   `json:"active"`               // it should be, and was when that was looked at last
	Due       bool   `json:"due"`                  // it should be
	Proven    bool   `json:"proven"`               // a packet was held back when that was looked at last
	NotProven string `json:"not_proven,omitempty"` // why not
	Problem   string `json:"problem,omitempty"`    // why it does not hold

	Means  string    `json:"means,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Allow  []string  `json:"allow,omitempty"`
	Denied uint64    `json:"denied"` // packets
}

// IsolationProof is what was measured after isolating or releasing.
type IsolationProof struct {
	Means        string    `json:"means"` // cgroup or nftables
	Until        time.Time `json:"until,omitzero"`
	Allow        []string  `json:"allow,omitempty"`
	Proven       bool      `json:"proven"`                   // a packet was held back, or let go, as it should be
	NotProven    string    `json:"not_proven,omitempty"`     // why not
	DeniedProbe  string    `json:"denied_probe"`             // what happened to a packet that must not leave
	AllowedProbe string    `json:"allowed_probe,omitempty"`  // what happened to a connection that must work
	Counter      uint64    `json:"denied_packets"`           // of the programs, after the probe
	Pinned       bool      `json:"pinned"`                   // holds without the sensor
	Packet       []string  `json:"packet_sockets,omitempty"` // who has a packet socket open: frames sent through one pass the isolation
	Millis       float64   `json:"ms"`
	FellBack     string    `json:"fell_back,omitempty"` // why not the better means
}
