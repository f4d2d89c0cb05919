package image

// Want says which file is meant, as the kernel saw it when it was executed.
type Want struct {
	PID    uint64
	Path   string // as the kernel walked it
	Volume string // "major:minor"
	Inode  uint64
	Size   int64
	Mtime  int64 // µs UTC
	Time   int64 // of the exec, µs UTC

	Kernel Identity // what the kernel itself says of the file, for Known; zero for nothing
}

// Identity tells one content of a file from all others, in the kernel's own words.
type Identity struct {
	Dev          uint32
	Inode, Size  uint64
	Mtime, Ctime int64  // ns since 1970
	Magic        uint64 // of its file system; 0 when not known
}

// fits says whether a file is the one that the kernel saw. The device is left out: on overlays and btrfs stat has
// a number of its own for it, and inode, size and both times agree only for the same file.
func (i *Identity) fits(k key) bool {
	return i.Inode == k.ino && int64(i.Size) == k.size && i.Mtime == k.mtime && i.Ctime == k.ctime
}

// key identifies the content of a file as long as nobody sets clocks and writes block devices behind the file
// system's back.
type key struct {
	dev, ino     uint64
	ctime, mtime int64 // ns
	size         int64
}

// content drops the change time, which a chmod or an unlink of a running program moves, too.
func (k key) content() key {
	k.ctime = 0
	return k
}
