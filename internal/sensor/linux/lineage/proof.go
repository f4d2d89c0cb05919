package lineage

import (
	"bufio"
	"bytes"
	"crypto/md5" //nolint:gosec // it is what the package database has; identity does not rest on it alone
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event/registry"
)

// Bounds.
const (
	maxSummed  = 8 << 20         // bytes of a program whose content is compared with its package; of a larger one its listing counts
	maxSums    = 4 << 20         // bytes of one package's list of sums
	maxProofs  = 512             // files whose proof is remembered; full: all are forgotten
	maxEnviron = 256 << 10       // bytes of an environment
	rescan     = 2 * time.Second // between two looks for a file that was not in the lists
)

// proof says whether a file is that of a package.
type proof struct {
	dir     string // root of the system
	started int64  // ns since 1970
	writer  func(volume, id string) ([]string, bool)

	mu    sync.Mutex // guards all below; never held while a file is looked at
	known map[identity]verdict
	have  lists
}

// lists are what dpkg's lists say of the programs of the registry.
type lists struct {
	dpkg    bool
	sums    map[string]string // by path without its first slash
	scanned time.Time
	changed time.Time // what listed gave when they were read
}

type verdict struct {
	yes   bool
	lists time.Time // dpkg's lists that it goes by: who was not in them may be in newer ones
}

type identity struct {
	path         string
	dev, ino     uint64
	size         int64
	mtime, ctime int64
}

func newProof(dir string, writer func(volume, id string) ([]string, bool)) *proof {
	if writer == nil {
		writer = func(string, string) ([]string, bool) { return nil, false }
	}
	return &proof{dir: dir, started: time.Now().UnixNano(), writer: writer, known: map[identity]verdict{}}
}

// of says whether the file at path is proven to be that of a package. ino is the inode that was executed; empty when it is not known.
func (p *proof) of(path, ino string) bool {
	st, ok := p.stat(path, ino)
	if !ok {
		return false
	}
	id := identity{path, st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
	p.mu.Lock()
	v, ok := p.known[id]
	scanned := p.have.scanned
	p.mu.Unlock()
	if ok && (v.yes || time.Since(scanned) < rescan || v.lists.Equal(p.listed())) {
		return v.yes
	}
	yes, by := p.packaged(path, &st)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxProofs {
		clear(p.known)
	}
	p.known[id] = verdict{yes, by}
	return yes
}

// interpreter says whether the image of a script is what the host has at its path, out of its users' reach.
func (p *proof) interpreter(path, ino string) bool {
	st, ok := p.stat(path, ino)
	if !ok {
		return false
	}
	_, _, ok = p.kept(path, &st)
	return ok
}

// stat looks at the file at path: another one than ino lies there when something was mounted over it, or it was replaced.
func (p *proof) stat(path, ino string) (st unix.Stat_t, ok bool) {
	ok = unix.Stat(filepath.Join(p.dir, path), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Uid == 0 && st.Mode&0o022 == 0
	return st, ok && (ino == "" || ino == strconv.FormatUint(st.Ino, 10))
}

// kept says whether only root can have put a file where it lies, and nobody but a package manager was seen to write it; managed says that
// one was. real is its path without links.
func (p *proof) kept(path string, st *unix.Stat_t) (real string, managed, ok bool) {
	real, err := filepath.EvalSymlinks(filepath.Join(p.dir, path))
	if err != nil || !guarded(filepath.Dir(real), p.dir) {
		return "", false, false
	}
	roles, seen := p.writer(volumeOf(st), strconv.FormatUint(st.Ino, 10))
	managed = slices.Contains(roles, registry.RolePackageManager)
	return real, managed, managed || !seen
}

// packaged says whether a file that is not known yet is a package's. dpkg has a sum of every file of a package. The others keep theirs in
// databases that this does not read: there a file counts that has not changed since the sensor started, or was seen to be written by a
// package manager.
func (p *proof) packaged(path string, st *unix.Stat_t) (yes bool, by time.Time) {
	real, managed, ok := p.kept(path, st)
	if !ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		return false, p.have.changed
	}
	l := p.scan()
	if !l.dpkg {
		return managed || st.Ctim.Nano() <= p.started, l.changed
	}
	for _, name := range []string{path, strings.TrimPrefix(real, strings.TrimSuffix(p.dir, "/"))} {
		want, ok := l.sums[alias(name)]
		if !ok {
			continue
		}
		if st.Size > maxSummed {
			return true, l.changed
		}
		got, err := sum(real)
		return err == nil && got == want, l.changed
	}
	return false, l.changed
}

// guarded says whether only root can put a file into the folder dir, which is top or lies below it.
func guarded(dir, top string) bool {
	for ; ; dir = filepath.Dir(dir) {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil || st.Uid != 0 || st.Mode&0o022 != 0 {
			return false
		}
		if dir == top || dir == "/" {
			return true
		}
	}
}

// alias gives one name to a file that packages name by / or by /usr: systems have merged the two.
func alias(path string) string {
	path = strings.TrimPrefix(path, "/")
	return strings.TrimPrefix(path, "usr/")
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	d := md5.New() //nolint:gosec // see above
	if _, err := io.Copy(d, io.LimitReader(f, maxSummed+1)); err != nil {
		return "", err
	}
	return hex.EncodeToString(d.Sum(nil)), nil
}

func (p *proof) lists() string { return filepath.Join(p.dir, "var/lib/dpkg/info") }

// listed gives the time of dpkg's last change of its lists; zero where there is no dpkg.
func (p *proof) listed() time.Time {
	info, err := os.Stat(p.lists())
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// scan reads the sums of the registry's programs out of dpkg's lists, again when the folder has changed. It is asked only about
// files that are not known yet.
func (p *proof) scan() lists {
	dir, changed := p.lists(), p.listed()
	p.mu.Lock()
	l := p.have
	p.mu.Unlock()
	l.dpkg = !changed.IsZero()
	if l.dpkg && (l.sums == nil || !changed.Equal(l.changed)) {
		l.changed, l.scanned, l.sums = changed, time.Now(), map[string]string{}
		wanted := map[string]bool{}
		for _, x := range registry.Programs {
			wanted[alias(x.Path)] = true
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			entries = nil
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".md5sums") {
				readSums(filepath.Join(dir, e.Name()), func(path, sum string) {
					if name := alias(path); wanted[name] {
						l.sums[name] = sum
					}
				})
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have = l
	return l
}

func readSums(path string, each func(path, sum string)) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	parseSums(f, each)
}

// parseSums reads lines of a sum, two spaces and a path.
func parseSums(r io.Reader, each func(path, sum string)) {
	in := bufio.NewScanner(io.LimitReader(r, maxSums))
	for in.Scan() {
		sum, name, ok := bytes.Cut(in.Bytes(), []byte("  "))
		if ok && len(sum) == 32 && len(name) > 0 {
			each(string(name), string(sum))
		}
	}
}

// environ reads the environment that a running process was started with; nothing when it is gone.
func environ(pid uint64) []byte {
	f, err := os.Open("/proc/" + strconv.FormatUint(pid, 10) + "/environ")
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxEnviron))
	if err != nil {
		return nil
	}
	return b
}

// inode gives that of the file which a running process sees at path, empty when that cannot be told at once; there says whether the process
// still is. Only what the kernel has in memory is asked, as the script that was just started is: the process may have mounted anything
// there, and a look-up may be made to take for ever.
func inode(pid uint64, path string) (ino string, there bool) {
	root, err := unix.Open("/proc/"+strconv.FormatUint(pid, 10)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", false
	}
	defer func() { _ = unix.Close(root) }()
	fd, err := cached(root, strings.TrimLeft(path, "/"), 0, unix.RESOLVE_IN_ROOT)
	if err != nil {
		return "", true
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Statx_t
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st) != nil {
		return "", true
	}
	return strconv.FormatUint(st.Ino, 10), true
}
