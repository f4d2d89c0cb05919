package proctree

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/aside"
)

const (
	maxPasswd    = 4 << 20 // bytes of the file that are read
	maxUsers     = 64 << 10
	passwdMaxAge = time.Second // how long an answer may be behind the file
	passwdWait   = 100 * time.Millisecond
)

// Users names user ids as the host's passwd file does. It reads the file itself, without the C library: a
// name service must never be asked from inside the sensor.
type Users struct {
	path  string
	names atomic.Pointer[userNames]
	due   atomic.Uint64 // boot time from which the file is looked at again

	reader  *aside.Crew // of one: who reads the file has changed to itself
	changed time.Time
}

// userNames is one reading of the file.
type userNames struct{ byID map[string]string }

func (n *userNames) of(id string) string {
	if n == nil || id == "" {
		return ""
	}
	return n.byID[id]
}

// NewUsers reads names from a passwd file when they are first asked for.
func NewUsers(path string) *Users { return &Users{path: path, reader: aside.NewCrew(1)} }

// now gives the last reading; nil when there is none.
func (u *Users) now() *userNames {
	if u == nil {
		return nil
	}
	return u.names.Load()
}

// refresh reads the file when it changed, looking once a second of boot time at most. A file that cannot be read
// leaves the names as they were, and so does one whose file system does not answer: that is waited for only a moment.
func (u *Users) refresh(now uint64) {
	if u == nil {
		return
	}
	due := u.due.Load()
	if now < due || !u.due.CompareAndSwap(due, now+uint64(passwdMaxAge)) {
		return
	}
	_, _ = aside.Get(u.reader, passwdWait, func() struct{} { u.read(); return struct{}{} }, nil)
}

func (u *Users) read() {
	info, err := os.Stat(u.path)
	if err != nil || info.ModTime().Equal(u.changed) {
		return
	}
	f, err := os.Open(u.path)
	if err != nil {
		return
	}
	defer f.Close()
	u.names.Store(&userNames{parsePasswd(f)})
	u.changed = info.ModTime()
}

// parsePasswd reads name:password:uid:… lines. The first name of an id wins, as it does in the C library; a
// line that does not fit is passed over.
func parsePasswd(r io.Reader) map[string]string {
	byID := map[string]string{}
	in := bufio.NewScanner(io.LimitReader(r, maxPasswd))
	for in.Scan() && len(byID) < maxUsers {
		part := bytes.SplitN(in.Bytes(), []byte{':'}, 4)
		if len(part) < 4 || len(part[0]) == 0 || len(part[2]) == 0 {
			continue
		}
		if id := string(part[2]); byID[id] == "" {
			byID[id] = string(part[0])
		}
	}
	return byID
}
