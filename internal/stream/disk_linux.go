package stream

import "golang.org/x/sys/unix"

// disk looks at the file system under dir. Free is what an unprivileged writer may still write.
func disk(dir string) (d Disk, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return d, err
	}
	d.Bytes, d.Free = int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
	d.Inodes, d.FreeInodes = int64(st.Files), int64(st.Ffree)
	return d, nil
}
