// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* What a call by path acts on, for every file system: the functions by which the kernel asks its security modules
 * before it changes a name. They run whether such a module is there or not, where the kernel has trampolines. */
#include "witness.h"

/* asked gives the witness of what runs now, empty; 0 when its end will not be handled as that. */
static __always_inline struct witness *asked(__u32 handler)
{
	struct witness *w = witness_for(bpf_get_current_task_btf());

	if (!w || w->handler != handler)
		return 0;
	w->places = 0;
	return w;
}

SEC("fentry/security_path_unlink")
int unlink_asked(__u64 *ctx)
{
	const struct path *dir = (void *)ctx[0];
	struct dentry *dentry = (void *)ctx[1];
	struct inode *inode = dentry->d_inode;
	struct witness *w = inode ? asked(HANDLE_DELETE) : 0;

	if (!w)
		return 0;
	note(&w->place[0], dentry, dir->mnt);
	w->places = 1;
	fill_known(&w->file, inode);
	return 0;
}

SEC("fentry/security_path_rename")
int rename_asked(__u64 *ctx)
{
	const struct path *from = (void *)ctx[0];
	struct dentry *dentry = (void *)ctx[1];
	struct witness *w = asked(HANDLE_RENAME);

	if (w)
		note(&w->place[0], dentry, from->mnt);
	return 0;
}

SEC("fentry/security_path_chmod")
int chmod_asked(__u64 *ctx)
{
	const struct path *path = (void *)ctx[0];
	struct witness *w = asked(HANDLE_CHMOD);

	if (w)
		note(&w->place[0], path->dentry, path->mnt);
	return 0;
}

/* cutting notes how much is in a file that is about to be cut. */
static __always_inline void cutting(struct inode *inode)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 thread = task->pid;
	struct cut c = {.start = task->start_boottime, .inode = inode, .size = BPF_CORE_READ(inode, i_size)};

	bpf_map_update_elem(&cuts, &thread, &c, BPF_ANY);
}

/* Since 6.2 the kernel asks by this where it has an open file: ftruncate, and an open that empties. */
SEC("fentry/security_file_truncate")
int file_cut_asked(__u64 *ctx)
{
	struct file *file = (void *)ctx[0];

	cutting(file->f_inode);
	return 0;
}

SEC("fentry/security_path_truncate")
int truncate_asked(__u64 *ctx)
{
	const struct path *path = (void *)ctx[0];
	struct witness *w = asked(HANDLE_TRUNCATE);

	cutting(BPF_CORE_READ(path, dentry, d_inode));
	if (w)
		note(&w->place[0], path->dentry, path->mnt);
	return 0;
}

SEC("fentry/security_path_link")
int link_asked(__u64 *ctx)
{
	struct dentry *dentry = (void *)ctx[0], *made = (void *)ctx[2];
	const struct path *dir = (void *)ctx[1];
	struct witness *w = asked(HANDLE_LINK);

	if (!w)
		return 0;
	/* A hard link lies in the mount of what it leads to. */
	note(&w->place[0], dentry, dir->mnt);
	note(&w->place[1], made, dir->mnt);
	w->places = 2;
	return 0;
}

SEC("fentry/security_path_symlink")
int symlink_asked(__u64 *ctx)
{
	const struct path *dir = (void *)ctx[0];
	struct dentry *made = (void *)ctx[1];
	struct witness *w = asked(HANDLE_LINK);

	if (!w)
		return 0;
	w->place[0].object = 0;
	note(&w->place[1], made, dir->mnt);
	w->places = 2;
	return 0;
}
