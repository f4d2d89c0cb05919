package probe

// addOldCalls adds nothing: this architecture began with the *at calls. renameat it has kept.
func addOldCalls(all map[uint32]call, _ func(handler, fd uint8) call, _ func(handler, dir, path, value uint8) call,
	pair func(handler, dir, path, dir2, path2, how uint8) call, _ func(c call, value, how uint8) call,
) {
	all[38] = pair(handleRename, 0, 1, 2, 3, 0)
}
