package contain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/nftables"

	"github.com/yagura-edr/yagura/internal/sensor/linux/contain/bpf"
)

// Finding is what Survey says of one means.
type Finding struct {
	Name   string
	State  string // ok, warn, fail
	Reason string
}

// Survey says whether this host could be isolated, and how. It attaches nothing.
func Survey(cgroup string) []Finding {
	var out []Finding
	i := &Isolator{o: Options{Cgroup: cgroup, StateFile: filepath.Join(os.TempDir(), "state")}}
	var objs bpf.IsolateObjects
	err := bpf.LoadIsolateObjects(&objs, nil)
	if err == nil {
		err = objs.Close()
	}
	where := cgroup
	if err == nil && where == "" {
		where = i.mounted()
	}
	if where != "" && err == nil {
		_, err = os.Stat(where)
	}
	switch {
	case err != nil && errors.Is(err, fs.ErrPermission):
		out = append(out, Finding{"isolate", "fail", "the isolation programs may not be loaded: run as root"})
	case err != nil:
		out = append(out, Finding{"isolate", "warn", fmt.Sprintf("not by cgroup (%v); nftables is used, which does not see containers", err)})
	case where == "":
		out = append(out, Finding{"isolate", "ok", "by cgroup; no cgroup2 is mounted, it will be for a moment"})
	default:
		out = append(out, Finding{"isolate", "ok", "by cgroup at " + where})
	}
	c, err := nftables.New()
	if err == nil {
		_, err = c.ListTables()
	}
	if err != nil {
		out = append(out, Finding{"nftables", "warn", fmt.Sprintf("cannot be used as second means: %v", err)})
	} else {
		out = append(out, Finding{"nftables", "ok", ""})
	}
	return out
}
