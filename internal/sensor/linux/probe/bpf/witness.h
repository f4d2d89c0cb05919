// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * What a call that takes a path, or such a request of an io_uring, acts on, told by the kernel. At the end of a call
 * only the caller's memory still says the last name, and another thread may have written another one there meanwhile;
 * at the end of a request nothing does. So a hook inside notes the objects - where the kernel asks its security modules
 * (witness.bpf.c), or where it sets an inode's change time (ctime.bpf.c) - and the handler at the end (file.bpf.c, told.h)
 * writes the path from them.
 */
#ifndef YAGURA_WITNESS_H
#define YAGURA_WITNESS_H

#include "syscall.h"

#define S_IFLNK 0120000
#define S_IFDIR 0040000

/* object_in says whether a dentry is still what it was, and not its memory used again. */
static __always_inline bool object_in(struct dentry *dentry, struct inode *inode)
{
	return dentry && inode && BPF_CORE_READ(dentry, d_inode) == inode;
}

/* name_at gives the name that a link of an inode's list of names belongs to. */
static __always_inline struct dentry *name_at(struct hlist_node *node)
{
	return node ? (void *)node - bpf_core_field_offset(struct dentry, d_u.d_alias) : 0;
}

/* first_name gives the newest name of a file, 0 when it has none yet. */
static __always_inline struct dentry *first_name(struct inode *inode)
{
	return name_at(BPF_CORE_READ(inode, i_dentry.first));
}

/* only_name gives the name of a file that has one; 0 for others. A name that a call uses is always among them. */
static __always_inline struct dentry *only_name(struct inode *inode)
{
	struct hlist_node *node = BPF_CORE_READ(inode, i_dentry.first);
	return node && !BPF_CORE_READ(node, next) ? name_at(node) : 0;
}

/* note writes down an object and the name it has now; mnt may be 0. */
static __always_inline void note(struct place *p, struct dentry *dentry, struct vfsmount *mnt)
{
	p->object = dentry;
	p->inode = BPF_CORE_READ(dentry, d_inode);
	p->folder = BPF_CORE_READ(dentry, d_parent);
	p->folder_inode = BPF_CORE_READ(dentry, d_parent, d_inode);
	p->mnt = mnt;
	p->hash = BPF_CORE_READ(dentry, d_name.hash_len);
	if (bpf_probe_read_kernel_str(p->name, sizeof(p->name), BPF_CORE_READ(dentry, d_name.name)) <= 0)
		p->folder = 0;
}

#define PF_IO_WORKER 0x10
#define REQUEST_SKIPS_END (1 << 6) /* IOSQE_CQE_SKIP_SUCCESS: its completion is not told */

/* Requests of an io_uring that take paths (uapi/linux/io_uring.h). Each runs in a thread of its own. */
enum uring_op {
	URING_RENAMEAT = 35,
	URING_UNLINKAT = 36,
	URING_SYMLINKAT = 38,
	URING_LINKAT = 39,
};

static __always_inline __u32 uring_handler(__u8 op)
{
	switch (op) {
	case URING_RENAMEAT:
		return HANDLE_RENAME;
	case URING_UNLINKAT:
		return HANDLE_DELETE;
	case URING_SYMLINKAT:
	case URING_LINKAT:
		return HANDLE_LINK;
	}
	return HANDLE_NONE;
}

static const struct witness blank;

/* witness_for gives the place to note what is acted on by whatever the thread does now, a call or a request of an
 * io_uring; empty at its first use in that. 0 when its end will not be handled. */
static __always_inline struct witness *witness_for(struct task_struct *task)
{
	__u64 key = task->pid, start = task->start_boottime;
	__u32 handler = HANDLE_NONE;
	struct witness *w;

	if (task->flags & PF_IO_WORKER) {
		struct io_worker *worker;
		struct io_wq_work *work;
		struct io_kiocb *req;
		if (!bpf_core_field_exists(task->worker_private)) /* before 5.17 */
			return 0;
		worker = BPF_CORE_READ(task, worker_private);
		work = BPF_CORE_READ(worker, cur_work);
		if (!work)
			return 0;
		req = (void *)work - bpf_core_field_offset(struct io_kiocb, work);
		if (BPF_CORE_READ(req, flags) & REQUEST_SKIPS_END)
			return 0;
		handler = uring_handler(BPF_CORE_READ(req, opcode));
		key = (__u64)req;
		start = 0;
	} else {
		volatile const struct call *call = call_of((void *)bpf_task_pt_regs(task));
		if (call && by_path(call))
			handler = call->handler;
	}
	if (handler == HANDLE_NONE)
		return 0;
	w = bpf_map_lookup_elem(&witnesses, &key);
	if (!w) {
		bpf_map_update_elem(&witnesses, &key, &blank, BPF_ANY);
		w = bpf_map_lookup_elem(&witnesses, &key);
		if (!w)
			return 0;
	}
	if (w->start != start || w->handler != handler) {
		w->start = start;
		w->handler = handler;
		w->places = 0;
		for (int i = 0; i < PLACES; i++)
			w->place[i].inode = 0;
	}
	return w;
}

/* nested says that a file system above the one at work acts in its own name: overlayfs, whose names are not these. */
static __always_inline bool nested(struct task_struct *task)
{
	return task->cred != task->real_cred;
}

/* renaming notes every object once, under the names that it has before it moves: both folders, what moves, and what
 * it takes the place of. Which of them moves shows at the end of the call. */
static __always_inline void renaming(struct witness *w, struct inode *inode)
{
	struct hlist_node *node = BPF_CORE_READ(inode, i_dentry.first);

	for (int i = 0; i < PLACES; i++) {
		if (w->place[i].inode == inode)
			return;
	}
	for (int i = 0; i < PLACES && node; i++) {
		/* The newest count. */
		note(&w->place[w->places & (PLACES - 1)], name_at(node), 0);
		w->places++;
		node = BPF_CORE_READ(node, next);
	}
}

/* removing notes the names of the file that is removed by one of them. Which one shows at the end of the call. */
static __always_inline void removing(struct witness *w, struct inode *inode)
{
	struct hlist_node *node = BPF_CORE_READ(inode, i_dentry.first);

	if (w->places) /* noted already */
		return;
	for (int i = 0; i < PLACES && node; i++) {
		note(&w->place[i], name_at(node), 0);
		w->places = i + 1;
		node = BPF_CORE_READ(node, next);
	}
	if (node) /* too many */
		w->places = PLACES + 1;
	fill_known(&w->file, inode);
}

/* linking notes the file that gets a new name; a symbolic link that is being made has none yet. */
static __always_inline void linking(struct witness *w, struct inode *inode, __u32 kind)
{
	struct dentry *dentry = only_name(inode);

	if (kind == S_IFDIR)
		return;
	w->place[0].object = 0;
	w->place[0].inode = dentry || !first_name(inode) ? inode : 0;
	if (dentry)
		note(&w->place[0], dentry, 0);
}

/* changing is for hooks that see every inode whose data a call changes, and when: before a name moves or goes. */
static __always_inline int changing(struct inode *inode)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct witness *w = nested(task) ? 0 : witness_for(task);
	struct dentry *dentry;
	__u32 kind;

	if (!w)
		return 0;
	kind = inode->i_mode & S_IFMT;
	switch (w->handler) {
	case HANDLE_RENAME:
		renaming(w, inode);
		break;
	case HANDLE_LINK:
		linking(w, inode, kind);
		break;
	case HANDLE_DELETE:
		if (kind != S_IFDIR)
			removing(w, inode);
		break;
	case HANDLE_CHMOD:
	case HANDLE_TRUNCATE:
		/* A link on the way to the file, read for the first time today, is not it. */
		dentry = kind == S_IFLNK ? 0 : only_name(inode);
		if (dentry)
			note(&w->place[0], dentry, 0);
		else
			w->place[0].inode = 0;
		break;
	}
	return 0;
}

#define MOUNTS_TRIED 16

/*
 * place_walk is path_walk for an object of which the mount may not be known: of the mounts of its file system, it
 * takes the one the process stands in, the one its root is in, or the first that its mount namespace has and that
 * reaches the object. Negative when there is none.
 */
__noinline int place_walk(__u64 dentry_addr, __u64 vfsmount_addr, __u32 off)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct dentry *dentry = (void *)dentry_addr;
	struct super_block *sb;
	struct super_block___old *old;
	struct vfsmount *vfs;
	struct mount *mnt = 0;
	struct mount___old *mnt_old;
	struct mnt_namespace *ns;
	struct list_head *at = 0, *head = 0;
	int n;

	if (!dentry)
		return -1;
	if (vfsmount_addr)
		return path_walk(dentry_addr, vfsmount_addr, off);
	sb = BPF_CORE_READ(dentry, d_sb);
	vfs = BPF_CORE_READ(task, fs, pwd.mnt);
	if (BPF_CORE_READ(vfs, mnt_sb) == sb) {
		n = path_walk(dentry_addr, (__u64)vfs, off);
		if (n & WALK_ROOTED)
			return n;
	}
	vfs = BPF_CORE_READ(task, fs, root.mnt);
	if (BPF_CORE_READ(vfs, mnt_sb) == sb) {
		n = path_walk(dentry_addr, (__u64)vfs, off);
		if (n & WALK_ROOTED)
			return n;
	}
	ns = BPF_CORE_READ(task, nsproxy, mnt_ns);
	if (bpf_core_field_exists(mnt->mnt_next_for_sb)) {
		mnt = BPF_CORE_READ(sb, s_mounts);
	} else {
		old = (void *)sb;
		head = (void *)sb + bpf_core_field_offset(struct super_block___old, s_mounts);
		at = BPF_CORE_READ(old, s_mounts.next);
		mnt = (void *)at - bpf_core_field_offset(struct mount___old, mnt_instance);
	}
	for (int i = 0; i < MOUNTS_TRIED; i++) {
		LOOP_HEAD();
		if (!mnt || (head && at == head))
			break;
		if (BPF_CORE_READ(mnt, mnt_ns) == ns) {
			n = path_walk(dentry_addr, (__u64)mnt + bpf_core_field_offset(struct mount, mnt), off);
			if (n & WALK_ROOTED)
				return n;
		}
		if (bpf_core_field_exists(mnt->mnt_next_for_sb)) {
			mnt = BPF_CORE_READ(mnt, mnt_next_for_sb);
		} else {
			mnt_old = (void *)mnt;
			at = BPF_CORE_READ(mnt_old, mnt_instance.next);
			mnt = (void *)at - bpf_core_field_offset(struct mount___old, mnt_instance);
		}
	}
	return -1;
}

/* put_walked ends a text that begins with bytes already there by the path of a dentry; end when it has none. */
static __always_inline __u32 put_walked(struct scratch *s, __u32 end, __u16 tag, __u32 bytes, struct dentry *dentry,
					struct vfsmount *mnt)
{
	int n = place_walk((__u64)dentry, (__u64)mnt, end + 4 + bytes);
	if (n < 0)
		return end;
	if (n & WALK_CUT)
		((struct head *)s->rec)->flags |= HEAD_PATH_CUT;
	n = (n & WALK_BYTES) + bytes;
	text_head(s, end, tag, n);
	return end + 4 + n;
}

/* put_noted appends the path that a place had when it was noted; end when it is not known any more. */
static __always_inline __u32 put_noted(struct scratch *s, __u32 end, __u16 tag, struct place *p)
{
	__u64 at = end + 4;
	asm volatile("%0 &= 16383" : "+r"(at));
	if (!p->inode || !object_in(p->folder, p->folder_inode))
		return end;
	long len = bpf_probe_read_kernel_str(&s->rec[at], NAME_BYTES, p->name);
	if (len <= 1)
		return end;
	return put_walked(s, end, tag, len, p->folder, p->mnt);
}

/* put_object appends the path that an object has now; end when it is none any more. */
static __always_inline __u32 put_object(struct scratch *s, __u32 end, __u16 tag, struct place *p)
{
	if (!object_in(p->object, p->inode))
		return end;
	return put_walked(s, end, tag, 0, p->object, p->mnt);
}

#endif
