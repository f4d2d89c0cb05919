// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* What a call by path acts on, where the kernel has no trampolines: on every local file system, a rename, removal,
 * link, truncation or change of mode sets the change time of the inodes it touches, and from 6.13 on the kernel tells so
 * (fs/inode.c, inode_set_ctime_current). */
#include "witness.h"

SEC("tp_btf/inode_set_ctime_to_ts")
int ctime_set(__u64 *ctx)
{
	return changing((void *)ctx[0]);
}

SEC("tp_btf/ctime_ns_xchg")
int ctime_exchanged(__u64 *ctx)
{
	return changing((void *)ctx[0]);
}

/* It is that time already. */
SEC("tp_btf/ctime_xchg_skip")
int ctime_kept(__u64 *ctx)
{
	return changing((void *)ctx[0]);
}
