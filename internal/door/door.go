// Package door keeps a listener open to those who prove who they are, however many strangers stand before it. A
// connection is a guest until its server says whose it is: guests are few, live shortly where that is asked, send
// little, and the oldest of the address that has most of them goes when another one comes. It knows no protocol and
// no identity: package ingest and the console say who has proven himself.
package door

import (
	"container/list"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yagura-edr/yagura/internal/fault"
)

// Limits of a door. Zero Life, Bytes and PerName do not limit.
type Limits struct {
	Guests     int           // connections that have proven nothing
	PerAddress int           // of them from one address
	Life       time.Duration // of a guest
	Bytes      int64         // that a guest may send
	All        int           // connections together, proven ones too
	PerName    int           // proven connections of one name: the oldest goes
}

// How long a guest stands at least where others wait for a place. A crowd that comes at once, as after a restart, is
// thus let in one after another instead of pushing itself out.
const (
	silentGrace = 250 * time.Millisecond  // that has not said what it wants: a client speaks first
	heardGrace  = 1500 * time.Millisecond // that has; a handshake takes some ms, among 256 on two hot cores a second
)

// quietTime is how long nobody was turned away when that counts as over.
const quietTime = time.Minute

// What a guest has shown.
const (
	silent   int32 = iota // nothing, or half a sentence
	heard                 // what it wants
	stranger              // the handshake is over and proved nothing: it goes first
	likely                // a name that is known, and the proof is to come: it is never pushed out
)

// Door is a listener. It is safe for many goroutines.
type Door struct {
	net.Listener
	limits Limits
	faults *fault.Board
	cause  fault.Cause

	freed chan struct{} // of one: a place became free
	done  chan struct{}
	once  sync.Once

	mu     sync.Mutex // guards what follows; never held across I/O
	guests map[netip.Addr]*list.List
	names  map[string]*list.List
	n      int // guests
	proven int
	shed   uint64
	quiet  *time.Timer
}

// New makes a door of a listener. Guests that are turned away raise the cause on the board.
func New(l net.Listener, limits Limits, faults *fault.Board, cause fault.Cause) *Door {
	return &Door{
		Listener: l, limits: limits, faults: faults, cause: cause, freed: make(chan struct{}, 1), done: make(chan struct{}),
		guests: map[netip.Addr]*list.List{}, names: map[string]*list.List{},
	}
}

// Close ends the listener; connections stay.
func (d *Door) Close() error {
	d.once.Do(func() { close(d.done) })
	return d.Listener.Close()
}

// Shed gives how many connections were turned away since the start.
func (d *Door) Shed() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shed
}

// Accept gives the next guest. When there is no place it makes one, or waits: others wait in the kernel's queue.
func (d *Door) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		if !errors.Is(err, net.ErrClosed) {
			d.faults.Raise(d.cause, "", fmt.Errorf("no connection can be taken: %w", err))
			d.listen()
		}
		return nil, err
	}
	g := &guest{Conn: c, door: d, from: addressOf(c), born: time.Now()}
	g.left.Store(d.limits.Bytes)
	for {
		victim, wait := d.enter(g)
		switch {
		case wait == 0:
			return g, nil
		case victim != nil:
			_ = victim.Close()
			continue
		}
		select {
		case <-d.freed:
		case <-time.After(wait):
		case <-d.done:
			_ = c.Close()
			return nil, net.ErrClosed
		}
	}
}

// enter gives a guest its place: wait 0. Else it names who has to go for it, or how long to wait.
func (d *Door) enter(g *guest) (victim *guest, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	mine := d.guests[g.from]
	crowded := mine != nil && mine.Len() >= d.limits.PerAddress
	if !crowded && d.n < d.limits.Guests && d.n+d.proven < d.limits.All {
		if mine == nil {
			mine = list.New()
			d.guests[g.from] = mine
		}
		g.in, g.place = mine, mine.PushBack(g)
		d.n++
		if d.limits.Life > 0 {
			g.end = time.AfterFunc(d.limits.Life, func() { d.expire(g) })
		}
		return nil, 0
	}
	from := mine
	if !crowded {
		for _, l := range d.guests {
			if from == nil || l.Len() > from.Len() {
				from = l
			}
		}
	}
	if from == nil || from.Len() == 0 { // proven ones have every place
		d.tell(fmt.Errorf("%d connections are open, no more are taken", d.proven))
		return nil, time.Second
	}
	victim, wait = pick(from, time.Now())
	if victim != nil {
		d.shed++
		d.tell(fmt.Errorf("%d connections that had not shown who they are were ended so far, the last from %s", d.shed, victim.from))
	}
	return victim, wait
}

// pick gives the guest that goes: a stranger, else the oldest whose grace is over; else how long until there is one.
func pick(from *list.List, now time.Time) (victim *guest, wait time.Duration) {
	wait = heardGrace
	for e := from.Front(); e != nil; e = e.Next() {
		g, _ := e.Value.(*guest)
		grace := heardGrace
		switch g.shown.Load() {
		case stranger:
			return g, wait
		case likely:
			continue
		case silent:
			grace = silentGrace
		}
		if left := grace - now.Sub(g.born); left > 0 {
			wait = min(wait, left)
		} else if victim == nil {
			victim = g
		}
	}
	return victim, wait
}

// Heard says that a guest has said what it wants, such as a whole ClientHello.
func (d *Door) Heard(c net.Conn) {
	if g := d.own(c); g != nil {
		g.shown.CompareAndSwap(silent, heard)
	}
}

// Shown says that a guest's handshake is about to be over, and whether it named somebody who is known.
func (d *Door) Shown(c net.Conn, known bool) {
	if g := d.own(c); g != nil && known {
		g.shown.Store(likely)
	} else if g != nil {
		g.shown.Store(stranger)
		d.free()
	}
}

// expire ends a guest that has shown nothing for its whole life.
func (d *Door) expire(g *guest) {
	if !g.known.Load() {
		_ = g.Close()
	}
}

// tell raises the fault. The lock is held.
func (d *Door) tell(err error) {
	d.faults.Raise(d.cause, "", err)
	if d.quiet != nil {
		d.quiet.Reset(quietTime)
		return
	}
	d.quiet = time.AfterFunc(quietTime, func() { d.faults.Clear(d.cause, "") })
}

// listen is tell without the lock, for an error of the listener itself.
func (d *Door) listen() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.quiet == nil {
		d.quiet = time.AfterFunc(quietTime, func() { d.faults.Clear(d.cause, "") })
	} else {
		d.quiet.Reset(quietTime)
	}
}

// own gives the door's connection in c, which may wrap it as *tls.Conn does; nil when there is none.
func (d *Door) own(c net.Conn) *guest {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if g, ok := c.(*guest); ok && g.door == d {
		return g
	}
	return nil
}

// Admitted says whether Admit was called for a connection.
func (d *Door) Admitted(c net.Conn) bool {
	g := d.own(c)
	return g != nil && g.known.Load()
}

// Admit says that a connection of this door has proven whose it is. What wraps it, such as *tls.Conn, may be given.
func (d *Door) Admit(c net.Conn, name string) {
	g := d.own(c)
	if g == nil {
		return
	}
	d.mu.Lock()
	if g.place == nil || g.known.Load() { // closed meanwhile
		d.mu.Unlock()
		return
	}
	g.leave()
	g.known.Store(true)
	if g.end != nil {
		g.end.Stop()
	}
	mine := d.names[name]
	if mine == nil {
		mine = list.New()
		d.names[name] = mine
	}
	var oldest *guest
	if d.limits.PerName > 0 && mine.Len() >= d.limits.PerName {
		oldest, _ = mine.Front().Value.(*guest)
	}
	g.name, g.in, g.place = name, mine, mine.PushBack(g)
	d.proven++
	d.mu.Unlock()
	d.free()
	if oldest != nil {
		_ = oldest.Close()
	}
}

func (d *Door) free() {
	select {
	case d.freed <- struct{}{}:
	default:
	}
}

// guest is one connection, proven or not.
type guest struct {
	net.Conn
	door  *Door
	from  netip.Addr
	born  time.Time
	end   *time.Timer
	known atomic.Bool
	shown atomic.Int32 // silent, heard, stranger or likely
	left  atomic.Int64 // bytes it may still send

	// below door.mu
	name  string
	in    *list.List
	place *list.Element // nil: it is gone
}

// Read counts what a guest sends: whoever floods a connection with frames of any kind loses it.
func (g *guest) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if g.door.limits.Bytes > 0 && !g.known.Load() && g.left.Add(-int64(n)) < 0 {
		_ = g.Close()
		return 0, os.ErrDeadlineExceeded
	}
	return n, err
}

// leave takes the guest out of its list. The door's lock is held.
func (g *guest) leave() {
	g.in.Remove(g.place)
	g.place = nil
	if g.known.Load() {
		g.door.proven--
		if g.in.Len() == 0 {
			delete(g.door.names, g.name)
		}
		return
	}
	g.door.n--
	if g.in.Len() == 0 {
		delete(g.door.guests, g.from)
	}
}

// Close ends the connection and frees its place.
func (g *guest) Close() error {
	g.door.mu.Lock()
	if g.place != nil {
		g.leave()
	}
	g.door.mu.Unlock()
	if g.end != nil {
		g.end.Stop()
	}
	g.door.free()
	return g.Conn.Close()
}

func addressOf(c net.Conn) netip.Addr {
	if a, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		return a.Addr().Unmap()
	}
	return netip.Addr{} // a Unix socket: all are one
}

// Reserved is how many file descriptors a server keeps for its store, its workers, its database and its console.
const Reserved = 640

// Room gives how many connections a door may have so that the process keeps its reserve: at most most, and at least
// half of the descriptors where there are hardly any.
func Room(most int) int {
	n, ok := files()
	if !ok {
		return most
	}
	return min(most, max(n-Reserved, n/2))
}
