package proctree

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"sync"
	"time"
)

const (
	maxPasswd    = 4 << 20 // bytes of the file that are read
	maxUsers     = 64 << 10
	passwdMaxAge = time.Second // how long an answer may be behind the file
)

// Users names user ids as the host's passwd file does. It reads the file itself, without the C library: a
// name service must never be asked from inside the sensor.
type Users struct {
	path string

	mu      sync.Mutex // guards all below
	byID    map[string]string
	changed time.Time
	checked time.Time
}

// NewUsers reads names from a passwd file when they are first asked for.
func NewUsers(path string) *Users { return &Users{path: path} }

func (u *Users) name(id string) string {
	if u == nil || id == "" {
		return ""
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.byID[id]
}

// refresh reads the file when it changed, looking once a second at most. A file that cannot be read leaves the
// names as they were.
func (u *Users) refresh() {
	if u == nil {
		return
	}
	now := time.Now()
	u.mu.Lock()
	due := now.Sub(u.checked) > passwdMaxAge
	if due {
		u.checked = now
	}
	changed := u.changed
	u.mu.Unlock()
	if !due {
		return
	}
	info, err := os.Stat(u.path)
	if err != nil || info.ModTime().Equal(changed) {
		return
	}
	f, err := os.Open(u.path)
	if err != nil {
		return
	}
	defer f.Close()
	byID := parsePasswd(f)
	u.mu.Lock()
	u.byID, u.changed = byID, info.ModTime()
	u.mu.Unlock()
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
