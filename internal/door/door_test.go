package door_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/door"
	"github.com/yagura-edr/yagura/internal/fault"
)

// house is a door on the loopback that reads whatever its guests say.
type house struct {
	*door.Door
	board *fault.Board

	mu    sync.Mutex // guards conns
	conns []net.Conn // the server's ends, in the order of their coming
}

func open(t *testing.T, limits door.Limits) *house {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{board: fault.NewBoard(nil)}
	h.Door = door.New(l, limits, h.board, fault.SensorDoor)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := h.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns = append(h.conns, c)
			h.mu.Unlock()
			wg.Go(func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() })
		}
	})
	t.Cleanup(func() {
		_ = h.Close()
		h.mu.Lock()
		for _, c := range h.conns {
			_ = c.Close()
		}
		h.mu.Unlock()
		wg.Wait()
	})
	return h
}

// come opens a connection from an address of the loopback and gives both ends, the server's once it has it.
func (h *house) come(t *testing.T, from string) (mine, its net.Conn) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	mine, err := d.Dial("tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mine.Close() })
	for range 1000 {
		h.mu.Lock()
		for _, c := range h.conns {
			if c.RemoteAddr().String() == mine.LocalAddr().String() {
				its = c
			}
		}
		h.mu.Unlock()
		if its != nil {
			return mine, its
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("a guest from %s was not let in", from)
	return nil, nil
}

func stands(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	e, ok := err.(net.Error) //nolint:errorlint // as the connection gave it
	return ok && e.Timeout()
}

func TestACrowdFromOneAddressPushesOutItselfAlone(t *testing.T) {
	h := open(t, door.Limits{Guests: 6, PerAddress: 4, All: 100})
	one, _ := h.come(t, "127.0.0.3")
	two, known := h.come(t, "127.0.0.2")
	h.Shown(known, true) // a name that is known, and the proof is to come
	_, proven := h.come(t, "127.0.0.2")
	h.Admit(proven, "host")
	var crowd []net.Conn
	for range 12 {
		c, _ := h.come(t, "127.0.0.2")
		crowd = append(crowd, c)
	}
	if !stands(one) || !stands(two) || !h.Admitted(proven) {
		t.Error("a crowd from another address, or from its own, pushed out a guest who is better")
	}
	if stands(crowd[0]) || !stands(crowd[11]) || h.Shed() < 8 {
		t.Errorf("of the crowd the first stands: %v, the last: %v, %d ended", stands(crowd[0]), stands(crowd[11]), h.Shed())
	}
	if f := h.board.Standing(); len(f) != 1 || f[0].Cause != fault.SensorDoor || !strings.Contains(f[0].Detail, "127.0.0.2") {
		t.Errorf("faults %+v; want the listener's, with the address", f)
	}
}

func TestWhoHasShownThatHeIsNobodyGoesFirst(t *testing.T) {
	h := open(t, door.Limits{Guests: 3, PerAddress: 3, All: 100})
	first, _ := h.come(t, "127.0.0.1")
	_, nobody := h.come(t, "127.0.0.1")
	last, _ := h.come(t, "127.0.0.1")
	h.Shown(nobody, false)
	began := time.Now()
	h.come(t, "127.0.0.1")
	if took := time.Since(began); !stands(first) || !stands(last) || took > 200*time.Millisecond {
		t.Errorf("the oldest stands: %v, the youngest: %v, after %s; want the stranger to go, at once", stands(first), stands(last), took)
	}
}

func TestAGuestLivesShortlyAndSaysLittle(t *testing.T) {
	h := open(t, door.Limits{Guests: 10, PerAddress: 10, All: 100, Life: 300 * time.Millisecond, Bytes: 1000, PerName: 2})
	quiet, _ := h.come(t, "127.0.0.1")
	loud, _ := h.come(t, "127.0.0.1")
	if _, err := loud.Write(make([]byte, 1001)); err != nil {
		t.Fatal(err)
	}
	var hosts []net.Conn
	for range 3 {
		c, its := h.come(t, "127.0.0.1")
		h.Admit(its, "host")
		if _, err := c.Write(make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, c)
	}
	if stands(loud) {
		t.Error("a guest said more than it may, and stands")
	}
	time.Sleep(400 * time.Millisecond)
	if stands(quiet) {
		t.Error("a guest lived longer than it may")
	}
	if stands(hosts[0]) || !stands(hosts[1]) || !stands(hosts[2]) {
		t.Errorf("of three connections of one host stand %v, %v, %v; want the newest two", stands(hosts[0]), stands(hosts[1]), stands(hosts[2]))
	}
}

// A request must come in time; the answer to it may take longer.
func TestOnlyTheRequestIsTimed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	s := &http.Server{ReadHeaderTimeout: time.Second, Handler: door.Timely(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			time.Sleep(300 * time.Millisecond)
			err = r.Context().Err()
		}
		done <- err
	}), func(*http.Request) time.Duration { return 100 * time.Millisecond })}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	for body, late := range map[string]bool{"12345": false, "1": true} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"+body); err != nil {
			t.Fatal(err)
		}
		if err := <-done; (err != nil) != late {
			t.Errorf("a body of %d of 5 bytes: %v", len(body), err)
		}
		_ = c.Close()
	}
}
