package lineage

import (
	"bytes"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
)

const (
	maxPlaces = 256     // roots whose place is remembered; full: all are forgotten
	maxMounts = 4 << 20 // bytes of a list of mounts
)

// place is where the root of a mount namespace lies.
type place struct {
	folder string // on the host; empty when the host does not see it
	volume string // the file system that it lies on
}

// mount is a line of mountinfo.
type mount struct{ volume, root, point, kind string }

// place finds the root of the process pid, which is that of its mount namespace. A container's root is a file system of its own
// that the host has nowhere else, so its volume tells what lies in it. A folder of the host that became a root shares its volume
// with the host's own files: there only a file counts that the host, too, finds below that folder.
func (j *Judge) place(pid uint64, root decode.Root) (place, bool) {
	j.mu.Lock()
	p, ok := j.places[root]
	j.mu.Unlock()
	if ok {
		return p, true
	}
	inner, ok := top(j.mounts(strconv.FormatUint(pid, 10)))
	outer := j.mounts("self")
	if !ok || len(outer) == 0 || inner.volume != decode.Volume(root.Dev) {
		return place{}, false
	}
	found := place{volume: inner.volume}
	if inner.kind != "overlay" || inner.root != "/" {
		on := ""
		for _, m := range outer {
			if m.volume != inner.volume {
				continue
			}
			on = m.point
			rest, ok := below(inner.root, m.root)
			if !ok {
				continue
			}
			dir := filepath.Join(j.proof.dir, m.point, rest)
			var st unix.Stat_t
			if unix.Lstat(dir, &st) == nil && st.Ino == root.Inode && st.Dev == unix.Mkdev(root.Dev>>20, root.Dev&0xfffff) {
				found.folder = dir
				break
			}
		}
		if on != "" && found.folder == "" {
			return place{}, false
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.places) >= maxPlaces {
		clear(j.places)
	}
	j.places[root] = found
	return found, true
}

// volumeOf names the file system of a file as events do.
func volumeOf(st *unix.Stat_t) string {
	return decode.Volume(unix.Major(st.Dev)<<20 | unix.Minor(st.Dev))
}

// below gives what of name lies below dir.
func below(name, dir string) (string, bool) {
	if dir == "/" {
		return name, true
	}
	rest, ok := strings.CutPrefix(name, dir)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// top gives the mount that is the root: the last one there.
func top(all []mount) (found mount, ok bool) {
	for _, m := range all {
		if m.point == "/" {
			found, ok = m, true
		}
	}
	return found, ok
}

// private says whether root alone can put a file at inner below the folder of a root: in one that a user made, nothing is proven.
func private(folder, inner string) bool {
	return guarded(filepath.Join(folder, path.Dir(inner)), folder)
}

// private says the same of a root that was entered by chroot. One that the host does not see there (a chroot inside a container) is
// told by its path.
func (j *Judge) private(root decode.Root, file string) bool {
	folder := filepath.Join(j.proof.dir, root.Path)
	var st unix.Stat_t
	if unix.Stat(folder, &st) != nil || st.Ino != root.Inode {
		return true
	}
	return private(folder, strings.TrimPrefix(file, root.Path))
}

// hostFolders are the folders of the host in which no other root is believed: a root /etc would make the host's settings its own. So
// would one that is the whole of /var, /home or root's home, or that lies among somebody's keys.
var hostFolders = []string{"/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/boot", "/dev", "/proc", "/sys", "/var/log", "/var/spool"}

func isSystem(folder string) bool {
	for _, s := range hostFolders {
		if _, ok := below(folder, s); ok {
			return true
		}
	}
	return folder == "/" || folder == "/var" || folder == "/home" || folder == "/root" || strings.Contains(folder+"/", "/.ssh/")
}

// lies says whether the file that an event names is the one that the host sees at the same path below folder: the same file, on
// the same volume, with no link and no mount on the way and no second name elsewhere.
func lies(folder string, f *event.File) bool {
	if f.FileID == "" || f.Path == "" || f.Path[0] != '/' {
		return false
	}
	return same(folder, f.Path, f) || same(folder, strings.TrimSuffix(f.Path, ".dpkg-new"), f)
}

// image marks a file that runs: perl has two names in every Debian, and what a program is does not hang on its other name.
const image = ^uint64(0)

// same asks only what the kernel has in memory, as it has of a file that was just written: it is called where nobody may wait.
func same(folder, name string, f *event.File) bool {
	dir, err := cached(unix.AT_FDCWD, folder, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(dir) }()
	fd, err := cached(dir, strings.TrimLeft(name, "/"), unix.O_NOFOLLOW, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_XDEV|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Statx_t
	return unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_INO|unix.STATX_TYPE|unix.STATX_NLINK, &st) == nil &&
		strconv.FormatUint(st.Ino, 10) == f.FileID && decode.Volume(st.Dev_major<<20|st.Dev_minor) == f.VolumeID &&
		(f.Mode == image || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink == 1)
}

const (
	resolveCached = 0x20 // RESOLVE_CACHED of linux/openat2.h, since 5.12
	cachedTries   = 16   // a mount or a rename anywhere on the host makes the kernel say "again"
)

// cached finds a file without asking its file system: what is not in the kernel's memory is not found.
func cached(dir int, name string, flags, resolve uint64) (fd int, err error) {
	err = unix.EAGAIN
	for n := 0; n < cachedTries && errors.Is(err, unix.EAGAIN); n++ {
		fd, err = unix.Openat2(dir, name, &unix.OpenHow{Flags: flags | unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve | resolveCached})
	}
	return fd, err
}

// mounts reads what is mounted where, for one process.
func mounts(pid string) []mount {
	b, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil || len(b) > maxMounts {
		return nil
	}
	return parseMounts(b)
}

func parseMounts(b []byte) []mount {
	var all []mount
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		head, tail, ok := strings.Cut(string(line), " - ")
		f := strings.Fields(head)
		kind, _, _ := strings.Cut(tail, " ")
		if ok && len(f) >= 5 {
			all = append(all, mount{volume: f[2], root: unescape.Replace(f[3]), point: unescape.Replace(f[4]), kind: kind})
		}
	}
	return all
}

// unescape undoes what the kernel does to white space in a list of mounts.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
