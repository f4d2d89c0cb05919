package probe

import (
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// fileInfo mirrors struct fileinfo.
type fileInfo struct {
	ino, size    uint64
	mtime, ctime int64
	magic        uint64
	dev, mode    uint32
	nlink, uid   uint32
}

func (f *fields) file() fileInfo {
	return fileInfo{ino: f.u64(), size: f.u64(), mtime: int64(f.u64()), ctime: int64(f.u64()), magic: f.u64(), dev: f.u32(), mode: f.u32(), nlink: f.u32(), uid: f.u32()}
}

// device writes a device number of the kernel as "major:minor".
func device(dev uint32) string {
	return strconv.FormatUint(uint64(dev>>20), 10) + ":" + strconv.FormatUint(uint64(dev&(1<<20-1)), 10)
}

const magicTmpfs = 0x01021994

// flags says what is odd about where the file lives.
func (i *fileInfo) flags(p string) (flags uint64) {
	if i.nlink == 0 && i.ino != 0 {
		flags |= event.FlagDeleted
	}
	if i.magic == magicTmpfs && (strings.HasPrefix(p, "/memfd:") || strings.HasPrefix(p, "/dev/shm/") || strings.HasPrefix(p, "/run/shm/")) {
		flags |= event.FlagMemoryFile
	}
	return flags
}

func (i *fileInfo) event(p string) event.File {
	return event.File{Path: p, VolumeID: device(i.dev), FileID: strconv.FormatUint(i.ino, 10), Size: i.size, Mode: uint64(i.mode),
		ModifiedTime: i.mtime / 1000, OwnerID: strconv.FormatUint(uint64(i.uid), 10), Links: uint64(i.nlink)}
}

// sockInfo mirrors struct sockinfo.
type sockInfo struct {
	family, lport, rport uint16
	proto, state         uint8
	local, remote        netip.Addr
}

const (
	familyInet  = 2
	familyInet6 = 10
	protoTCP    = 6
	protoUDP    = 17
)

func (f *fields) sock() sockInfo {
	s := sockInfo{family: f.u16(), lport: f.u16(), rport: f.u16(), proto: f.u8(), state: f.u8()}
	local, remote := f.take(16), f.take(16)
	switch s.family {
	case familyInet:
		s.local, s.remote = netip.AddrFrom4([4]byte(local)), netip.AddrFrom4([4]byte(remote))
	case familyInet6:
		// A v4 peer of a v6 socket is named as what it is.
		s.local, s.remote = netip.AddrFrom16([16]byte(local)).Unmap(), netip.AddrFrom16([16]byte(remote)).Unmap()
	}
	return s
}

func (s *sockInfo) fill(e *event.Event) {
	switch s.proto {
	case protoTCP:
		e.Protocol = "tcp"
	case protoUDP:
		e.Protocol = "udp"
	}
	e.LocalAddr, e.LocalPort, e.RemoteAddr, e.RemotePort = s.local, uint64(s.lport), s.remote, uint64(s.rport)
}

const noID = ^uint32(0) // loginuid and audit session of a process that no login made

// process reads an exec, or a running process of the snapshot.
func (d *decoder) process(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
	caps, loginUID, session := f.u64(), f.u32(), f.u32()
	_, kernelThread := f.u32(), f.u32()
	image, stdin := f.file(), f.sock()
	t, err := f.texts()
	if err != nil {
		return err
	}
	e.Kind = event.ProcessExec
	if h.kind == recTask {
		e.Kind = event.ProcessRunning
		e.Flags |= event.FlagRecovered
	}
	a := &e.Actor
	a.Capabilities = caps
	if loginUID != noID {
		a.LoginUserID = strconv.FormatUint(uint64(loginUID), 10)
	}
	if session != noID {
		a.SessionID = strconv.FormatUint(uint64(session), 10)
	}
	a.Path, a.Cwd, a.TTY = joinPath(t[textPath]), joinPath(t[textCwd]), terminal(string(t[textTTY]))
	if len(t[textCwd]) == 0 && kernelThread == 0 {
		a.Cwd = "/"
	}
	a.CommandLine = joinArguments(t[textArgv])
	a.Interpreter = absolute(a.Cwd, string(t[textScript]))
	a.Cgroup, a.ContainerID = cgroup(t[textCgroup])
	if image.ino != 0 {
		file := image.event(a.Path)
		a.VolumeID, a.FileID = file.VolumeID, file.FileID
		e.File = file
		e.Flags |= image.flags(a.Path)
	}
	emit(e)
	if h.kind == recExec && stdin.family != 0 && stdin.rport != 0 {
		s := &event.Event{Kind: event.NetStdioSocket, OS: e.OS, BootNS: e.BootNS, HostTime: e.HostTime, Actor: e.Actor, Parent: e.Parent}
		stdin.fill(s)
		emit(s)
	}
	return nil
}

// terminal names a terminal as its device below /dev: the kernel says pts3 for pts/3.
func terminal(name string) string {
	if n, ok := strings.CutPrefix(name, "pts"); ok && n != "" && n[0] != '/' {
		return "pts/" + n
	}
	return name
}

// absolute joins a path that the kernel kept as it was given with the folder it is relative to.
func absolute(dir, p string) string {
	if p == "" || p[0] == '/' || dir == "" {
		return p
	}
	return path.Join(dir, p)
}

// cgroup gives the last part of a cgroup's path, and the container that one of its parts names.
func cgroup(b []byte) (leaf, container string) {
	for i, part := range strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00") {
		if i == 0 {
			leaf = part
		}
		if id := containerID(part); id != "" {
			return leaf, id
		}
	}
	return leaf, ""
}

// containerID finds the 64 hexadecimal digits that container runtimes put into cgroup names: alone, or as in
// docker-ID.scope, cri-containerd-ID.scope, libpod-ID.scope.
func containerID(name string) string {
	name = strings.TrimSuffix(name, ".scope")
	if i := strings.LastIndexByte(name, '-'); i >= 0 {
		name = name[i+1:]
	}
	if len(name) != 64 {
		return ""
	}
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return name
}
