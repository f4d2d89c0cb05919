package decode

import (
	"encoding/binary"
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
	b, le := f.take(fileBytes), binary.LittleEndian
	return fileInfo{
		ino: le.Uint64(b), size: le.Uint64(b[8:]), mtime: int64(le.Uint64(b[16:])), ctime: int64(le.Uint64(b[24:])),
		magic: le.Uint64(b[32:]), dev: le.Uint32(b[40:]), mode: le.Uint32(b[44:]), nlink: le.Uint32(b[48:]), uid: le.Uint32(b[52:]),
	}
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

func (d *Decoder) describe(f *event.File, i *fileInfo, p string) {
	f.Path, f.VolumeID, f.FileID, f.Size, f.Mode = p, d.words.device(i.dev), d.words.inode(i.ino), i.size, uint64(i.mode)
	f.ModifiedTime, f.OwnerID, f.Links = i.mtime/1000, d.words.number(i.uid), uint64(i.nlink)
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
	b, le := f.take(sockBytes), binary.LittleEndian
	s := sockInfo{family: le.Uint16(b), lport: le.Uint16(b[2:]), rport: le.Uint16(b[4:]), proto: b[6], state: b[7]}
	local, remote := b[8:24], b[24:40]
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
func (d *Decoder) process(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
	caps, loginUID, session := f.u64(), f.u32(), f.u32()
	_, kernelThread := f.u32(), f.u32()
	image, stdin := f.file(), f.sock()
	rootInode, rootDev := f.u64(), f.u32()
	_ = f.u32()
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
		a.LoginUserID = d.words.number(loginUID)
	}
	if session != noID {
		a.SessionID = d.words.number(session)
	}
	a.Path, a.Cwd = d.words.folder(t[textPath]), d.words.folder(t[textCwd])
	if len(t[textTTY]) > 0 {
		a.TTY = terminal(d.words.word(t[textTTY]))
	}
	if len(t[textCwd]) == 0 && kernelThread == 0 {
		a.Cwd = "/"
	}
	a.CommandLine = JoinArguments(t[textArgv])
	d.root = Root{Dev: rootDev, Inode: rootInode, Path: d.words.folder(t[textRoot])}
	switch {
	case len(t[textScript]) > 0:
		a.Interpreter = absolute(d.root.Path, a.Cwd, string(t[textScript]))
		a.Invoked = a.Interpreter
	case len(t[textAsked]) > 0:
		if asked := absolute(d.root.Path, a.Cwd, d.words.word(t[textAsked])); asked != a.Path {
			a.Invoked = asked
		}
	}
	d.readEnds(t[textEnds])
	d.args = t[textArgv]
	names := d.words.cgroup(t[textCgroup])
	a.Cgroup, a.ContainerID = names.leaf, names.container
	d.executed = Image{}
	if image.ino != 0 {
		d.describe(&e.File, &image, a.Path)
		e.File.FileID = strings.Clone(e.File.FileID) // the process tree keeps it for as long as the process runs
		a.VolumeID, a.FileID = e.File.VolumeID, e.File.FileID
		e.Flags |= image.flags(a.Path)
		d.executed = Image{Dev: image.dev, Inode: image.ino, Size: image.size, Mtime: image.mtime, Ctime: image.ctime, Magic: image.magic}
	}
	var s *event.Event
	if h.kind == recExec && stdin.family != 0 && stdin.rport != 0 {
		s = d.fresh()
		s.Kind, s.OS, s.BootNS, s.HostTime, s.Actor, s.Parent = event.NetStdioSocket, e.OS, e.BootNS, e.HostTime, e.Actor, e.Parent
		stdin.fill(s)
	}
	emit(e)
	d.executed, d.ends, d.args = Image{}, d.ends[:0], nil
	if s != nil {
		emit(s)
	}
	return nil
}

// Root is the root folder of a process.
type Root struct {
	Dev   uint32
	Inode uint64
	Path  string // where it lies in its mount namespace; empty when it is that one's own root
}

// End is what a descriptor of a process leads to: a pipe, or a file that is written.
type End struct {
	Inode uint64
	Dev   uint32
	FD    uint16
	How   uint16 // bits of the constants below
}

// Bits of End.How.
const (
	EndRead  = 1
	EndWrite = 2
	EndFile  = 4
	EndFIFO  = 8 // with one of the first two: it has a name, and may be used again
)

const endBytes = 16

// File gives volume and file id of what an end leads to, as events have them.
func (e End) File() (volume, id string) {
	return Volume(e.Dev), strconv.FormatUint(e.Inode, 10)
}

func (f *fields) end() End {
	b, le := f.take(endBytes), binary.LittleEndian
	return End{Inode: le.Uint64(b), Dev: le.Uint32(b[8:]), FD: le.Uint16(b[12:]), How: le.Uint16(b[14:])}
}

// readEnds reads a text of ends; what is left over is no end.
func (d *Decoder) readEnds(b []byte) {
	d.ends = d.ends[:0]
	f := fields{b: b}
	for len(f.b) >= endBytes {
		d.ends = append(d.ends, f.end())
	}
}

// Image identifies the content of an executed file as the kernel saw it.
type Image struct {
	Dev          uint32
	Inode, Size  uint64
	Mtime, Ctime int64  // ns since 1970
	Magic        uint64 // of its file system's superblock
}

// terminal names a terminal as its device below /dev: the kernel says pts3 for pts/3.
func terminal(name string) string {
	if n, ok := strings.CutPrefix(name, "pts"); ok && n != "" && n[0] != '/' {
		return "pts/" + n
	}
	return name
}

// absolute makes a path that the kernel kept as it was given one like those that it walks: from the root of the process, or
// from its working folder, without steps that lead nowhere. A path by descriptor (/dev/fd/5/x) stays what it is.
func absolute(root, dir, p string) string {
	switch {
	case p == "":
		return ""
	case p[0] != '/':
		if dir == "" {
			return p
		}
		return path.Join(dir, p)
	case root == "" || root == "/":
		if clean([]byte(p)) {
			return p
		}
		return path.Clean(p)
	}
	return path.Join(root, path.Clean(p))
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
