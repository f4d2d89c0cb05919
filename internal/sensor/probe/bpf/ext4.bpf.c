// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* What a call by path acts on, on ext4, where the kernel has no trampolines: it tells of a removal, and of every
 * file whose inode it changes. */
#include "witness.h"

/* nested says that a file system above this one acts in its own name: overlayfs, whose names are not these. */
static __always_inline bool nested(struct task_struct *task)
{
	return task->cred != task->real_cred;
}

SEC("tp_btf/ext4_unlink_enter")
int unlink_begun(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct dentry *dentry = (void *)ctx[1];
	struct call *call = called(task);
	struct inode *inode = dentry->d_inode;
	struct witness *w;

	if (!inode || !call || call->handler != HANDLE_DELETE || nested(task))
		return 0;
	w = witness_for(task, HANDLE_DELETE);
	if (!w)
		return 0;
	note(&w->place[0], dentry, 0);
	fill_known(&w->file, inode);
	return 0;
}

/* renaming notes every object once, under the name that it has before it moves: both folders, what moves, and what
 * it takes the place of. Which of them moves shows at the end of the call. */
static __always_inline void renaming(struct witness *w, struct inode *inode)
{
	struct dentry *dentry = first_name(inode);

	if (!dentry)
		return;
	for (int i = 0; i < PLACES; i++) {
		if (w->place[i].inode == inode)
			return;
	}
	/* Symbolic links that led to the folders may have come before; the newest count. */
	note(&w->place[w->places & (PLACES - 1)], dentry, 0);
	w->places++;
}

/* linking notes the file that gets a new name; a symbolic link that is being made has none yet. */
static __always_inline void linking(struct witness *w, struct inode *inode, __u32 kind)
{
	struct dentry *dentry = first_name(inode);

	if (kind == S_IFDIR)
		return;
	w->place[0].object = 0;
	if (dentry)
		note(&w->place[0], dentry, 0);
	w->place[0].inode = inode;
}

SEC("tp_btf/ext4_mark_inode_dirty")
int inode_changed(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct inode *inode = (void *)ctx[0];
	struct call *call = called(task);
	struct witness *w;
	struct dentry *dentry;
	__u32 kind;

	if (!call || call->path == NO_ARG)
		return 0;
	if (call->handler != HANDLE_RENAME && call->handler != HANDLE_CHMOD && call->handler != HANDLE_LINK)
		return 0;
	if (nested(task))
		return 0;
	w = witness_for(task, call->handler);
	if (!w)
		return 0;
	kind = inode->i_mode & S_IFMT;
	switch (call->handler) {
	case HANDLE_RENAME:
		renaming(w, inode);
		break;
	case HANDLE_LINK:
		linking(w, inode, kind);
		break;
	case HANDLE_CHMOD:
		/* A link on the way to the file, read for the first time today; or a file of several names, of which
		 * this does not tell the one that was used. */
		dentry = first_name(inode);
		if (!dentry || kind == S_IFLNK || (kind != S_IFDIR && inode->i_nlink > 1)) {
			w->place[0].inode = 0;
			break;
		}
		note(&w->place[0], dentry, 0);
		break;
	}
	return 0;
}
