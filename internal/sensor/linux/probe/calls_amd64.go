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
	add32BitCalls(all, file, path, pair, with)
}

// add32BitCalls adds the calls of 32-bit programs, which any program can make (int $0x80). Their numbers are those of
// arch/x86/entry/syscalls/syscall_32.tbl. mmap (90), which takes its arguments from memory, is left out: its successor is in.
func add32BitCalls(all map[uint32]call, file func(handler, fd uint8) call, path func(handler, dir, path, value uint8) call,
	pair func(handler, dir, path, dir2, path2, how uint8) call, with func(c call, value, how uint8) call,
) {
	for number, c := range map[uint32]call{
		4:   file(handleWrite, 0), // write
		5:   with(file(handleOpen, none), 1, 0),
		8:   with(file(handleOpen, none), none, openCreat),
		9:   pair(handleLink, none, 0, none, 1, linkHard),
		10:  path(handleDelete, none, 0, none),
		15:  path(handleChmod, none, 0, 1),
		26:  file(handlePtrace, none),
		38:  pair(handleRename, none, 0, none, 1, 0),
		83:  pair(handleLink, none, 0, none, 1, linkSymbolic),
		92:  path(handleTruncate, none, 0, 1),
		93:  with(file(handleWrite, 0), 1, writeSize),         // ftruncate
		94:  with(file(handleChmod, 0), 1, 0),                 // fchmod
		102: with(file(handleAccept, none), none, acceptMany), // socketcall
		146: file(handleWrite, 0),                             // writev
		181: file(handleWrite, 0),                             // pwrite64
		187: file(handleWrite, 0),                             // sendfile
		192: with(file(handleWrite, 4), none, writeMap),       // mmap2
		193: path(handleTruncate, none, 0, 1),                 // truncate64
		194: with(file(handleWrite, 0), 1, writeSize),         // ftruncate64
		239: file(handleWrite, 0),                             // sendfile64
		295: with(file(handleOpen, none), 2, 0),               // openat
		301: path(handleDelete, 0, 1, 2),                      // unlinkat
		302: pair(handleRename, 0, 1, 2, 3, 0),                // renameat
		303: pair(handleLink, 0, 1, 2, 3, linkHard),           // linkat
		304: pair(handleLink, none, 0, 1, 2, linkSymbolic),    // symlinkat
		306: path(handleChmod, 0, 1, 2),                       // fchmodat
		313: file(handleWrite, 2),                             // splice
		324: with(file(handleWrite, 0), none, writeSize),      // fallocate
		334: file(handleWrite, 0),                             // pwritev
		348: file(handleVMWrite, none),                        // process_vm_writev
		353: pair(handleRename, 0, 1, 2, 3, 0),                // renameat2
		356: file(handleMemfd, none),                          // memfd_create
		364: file(handleAccept, none),                         // accept4
		377: file(handleWrite, 2),                             // copy_file_range
		379: file(handleWrite, 0),                             // pwritev2
		437: with(file(handleOpen, none), 2, openStruct),      // openat2
		452: path(handleChmod, 0, 1, 2),                       // fchmodat2
	} {
		all[calls32+number] = c
	}
}
