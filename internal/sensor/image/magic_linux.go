package image

// Magic numbers of superblocks (linux/magic.h and the file systems' own sources).
var (
	remotes = map[uint64]bool{
		0x65735546: true, 0x6969: true, 0xfe534d42: true, 0xff534d42: true, 0x517b: true, 0x01021997: true, 0x00c36400: true, // FUSE, NFS, SMB2, CIFS, SMB, 9P, Ceph
		0x5346414f: true, 0x6b414653: true, 0x73757245: true, 0x0bd00bd0: true, 0x564c: true, 0x0187: true, 0x20030528: true, // AFS twice, Coda, Lustre, NCP, autofs, OrangeFS
		0x01161970: true, 0x7461636f: true, 0x47504653: true, 0x19830326: true, 0xaad7aaea: true, 0x786f4256: true, // GFS2, OCFS2, GPFS, BeeGFS, PanFS, vboxsf
	}
	stacks = map[uint64]bool{0: true, 0x794c7630: true, 0xf15f: true, 0x61756673: true} // not known, overlay, eCryptfs, aufs
)

// laneOf says who may leave a read of a file system of that kind without an answer.
func laneOf(magic uint64) int {
	switch {
	case remotes[magic]:
		return remote
	case stacks[magic]:
		return stacked
	}
	return local
}
