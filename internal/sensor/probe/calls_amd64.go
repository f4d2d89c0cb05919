package probe

import "golang.org/x/sys/unix"

// addOldCalls adds the calls that only this architecture has.
func addOldCalls(all map[uint32]call, file func(handler, fd uint8) call, path func(handler, dir, path, value uint8) call,
	pair func(handler, dir, path, dir2, path2, how uint8) call, with func(c call, value, how uint8) call,
) {
	all[unix.SYS_OPEN] = with(file(handleOpen, none), 1, 0)
	all[unix.SYS_CREAT] = with(file(handleOpen, none), none, openCreat)
	all[unix.SYS_RENAME] = pair(handleRename, none, 0, none, 1, 0)
	all[unix.SYS_RENAMEAT] = pair(handleRename, 0, 1, 2, 3, 0)
	all[unix.SYS_UNLINK] = path(handleDelete, none, 0, none)
	all[unix.SYS_CHMOD] = path(handleChmod, none, 0, 1)
	all[unix.SYS_LINK] = pair(handleLink, none, 0, none, 1, linkHard)
	all[unix.SYS_SYMLINK] = pair(handleLink, none, 0, none, 1, linkSymbolic)
}
