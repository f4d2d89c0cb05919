// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* How a whole process is written down: by the exec probe and by the snapshot of running processes. */
#ifndef YAGURA_PROCESS_H
#define YAGURA_PROCESS_H

#include "record.h"

/* Names of cgroups that were walked before. A cgroup's id is never given again, and its name does not change
 * where the unified hierarchy is used; on old ones a rename shows when the entry has left the table. */
struct cgroup_key {
	__u64 id;   /* in the unified hierarchy */
	__u64 pids; /* in the one of the pids controller; 0 when the unified one says enough */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, struct cgroup_key);
	__type(value, struct cgroup_text);
} cgroups SEC(".maps");

/* pids_node gives the task's place in the pids controller's hierarchy. */
static __always_inline struct kernfs_node *pids_node(struct css_set *set)
{
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return 0;
	__u32 id = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	struct cgroup_subsys_state *css = 0;
	bpf_core_read(&css, sizeof(css), &set->subsys[id & 15]);
	return BPF_CORE_READ(css, cgroup, kn);
}

/* above gives the folder of a cgroup; NULL for a root. */
static __always_inline struct kernfs_node *above(struct kernfs_node *kn)
{
	if (bpf_core_field_exists(kn->__parent))
		return BPF_CORE_READ(kn, __parent);
	return BPF_CORE_READ((struct kernfs_node___old *)kn, parent);
}

/* put_cgroup appends the names of the task's cgroup, leaf first, at most four. The pids controller's
 * hierarchy is asked when the unified one has the task in its root (hybrid hosts). */
static __always_inline __u32 put_cgroup(struct scratch *s, __u32 end, struct task_struct *task)
{
	struct css_set *set = task->cgroups;
	struct kernfs_node *kn = set->dfl_cgrp->kn, *up;
	struct cgroup_key key = {.id = BPF_CORE_READ(kn, id)};
	struct cgroup_text *known;
	__u64 first = end + 4;
	__u32 n = 0;

	if (!above(kn)) {
		kn = pids_node(set);
		if (kn)
			key.pids = BPF_CORE_READ(kn, id);
	}
	known = bpf_map_lookup_elem(&cgroups, &key);
	if (known) {
		__u64 len = known->len;
		if (!len || len > CGROUP_TEXT)
			return end;
		asm volatile("%0 &= 16383" : "+r"(first));
		if (bpf_probe_read_kernel(&s->rec[first], len, known->text))
			return end;
		text_head(s, end, TEXT_CGROUP, len);
		return end + 4 + len;
	}

	for (int i = 0; i < 4; i++) {
		if (!kn)
			break;
		up = above(kn);
		if (!up)
			break;
		__u64 at = end + 4 + n;
		asm volatile("%0 &= 16383" : "+r"(at));
		long len = bpf_probe_read_kernel_str(&s->rec[at], 256, BPF_CORE_READ(kn, name));
		if (len <= 0)
			return end;
		n += len;
		kn = up;
	}
	if (n <= CGROUP_TEXT) { /* a longer one is walked each time */
		struct cgroup_text *fresh = &s->cgroup;
		fresh->len = n;
		asm volatile("%0 &= 16383" : "+r"(first));
		__u64 len = n;
		if (len && len <= CGROUP_TEXT)
			bpf_probe_read_kernel(fresh->text, len, &s->rec[first]);
		bpf_map_update_elem(&cgroups, &key, fresh, BPF_ANY);
	}
	if (!n)
		return end;
	text_head(s, end, TEXT_CGROUP, n);
	return end + 4 + n;
}

struct process_record {
	struct head head;
	__u64 caps;
	__u32 loginuid;
	__u32 sessionid;
	__u32 pidns_level; /* 0: the first pid namespace */
	__u32 kernel_thread;
	struct fileinfo image;
	struct sockinfo stdin; /* family 0 when descriptor 0 is no internet socket */
	__u64 root_ino; /* of the process's root folder */
	__u32 root_dev;
	__u32 pad;
};

#define ENDS 8

/* ends_walk writes what the open descriptors below 64 lead to, those that open has the bits of, at offset off of this CPU's
 * scratch, and returns how many are of interest. A global function with its state in memory, as path_walk. */
__noinline int ends_walk(__u64 table_addr, __u64 open, __u32 off)
{
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct file **table = (void *)table_addr;

	if (!s || !table)
		return 0;
	s->open = open;
	s->n = 0;
	for (int i = 0; i < ENDS; i++) {
		LOOP_HEAD();
		__u64 low = s->open & -s->open, bits = low - 1, at = off + s->n * sizeof(struct end);
		struct file *file = 0;
		struct end e = {};

		if (!low)
			break;
		s->open ^= low;
		/* The number of a lone bit, without a branch: bits below it, counted. */
		bits -= bits >> 1 & 0x5555555555555555ULL;
		bits = (bits & 0x3333333333333333ULL) + (bits >> 2 & 0x3333333333333333ULL);
		bits = ((bits + (bits >> 4) & 0x0f0f0f0f0f0f0f0fULL) * 0x0101010101010101ULL) >> 56;
		bpf_probe_read_kernel(&file, sizeof(file), &table[bits & 63]);
		if (!file || !fill_end(&e, file, bits, bits == 1))
			continue;
		/* 16383 + 16 lies inside the record. */
		asm volatile("%0 &= 16383" : "+r"(at));
		*(struct end *)&s->rec[at] = e;
		s->n++;
	}
	return s->n;
}

/* put_ends appends what the standard input and output of a new image lead to, and the pipes behind other descriptors
 * below 64: a shell hands its substitutions over as those (bash <(curl ...)). Only descriptors that are open are
 * looked at, by the kernel's own bits. */
static __always_inline __u32 put_ends(struct scratch *s, __u32 end, struct task_struct *task)
{
	struct files_struct *files = task->files;
	struct fdtable *fdt;
	__u64 open = 0;
	__u32 n;

	if (!files)
		return end;
	fdt = BPF_CORE_READ(files, fdt); /* as a number: a global function takes no pointer of the kernel's */
	bpf_probe_read_kernel(&open, sizeof(open), BPF_CORE_READ(fdt, open_fds));
	open &= ~4ULL; /* what goes to standard error is nobody's input */
	if (!open)
		return end;
	n = ends_walk((__u64)BPF_CORE_READ(fdt, fd), open, end + 4);
	if (!n || n > ENDS)
		return end;
	text_head(s, end, TEXT_ENDS, n * sizeof(struct end));
	return end + 4 + n * sizeof(struct end);
}

/* put_process writes the fixed part, image path, working directory, terminal and cgroup. */
static __always_inline __u32 put_process(struct scratch *s, __u16 type, struct task_struct *task, struct file *image)
{
	struct process_record *r = (void *)s->rec;
	const struct cred *cred = task->real_cred;
	struct fs_struct *fs = task->fs;
	struct file *in;
	struct sock *sk;
	__u32 end = sizeof(*r);

	fill_head(&r->head, type, task);
	bpf_core_read(&r->caps, sizeof(r->caps), &cred->cap_effective);
	r->loginuid = -1;
	r->sessionid = -1;
	if (bpf_core_field_exists(task->loginuid)) {
		r->loginuid = task->loginuid.val;
		r->sessionid = task->sessionid;
	}
	r->pidns_level = 0;
	if (task->nsproxy)
		r->pidns_level = task->nsproxy->pid_ns_for_children->level;
	r->kernel_thread = !task->mm;
	__builtin_memset(&r->image, 0, sizeof(r->image));
	__builtin_memset(&r->stdin, 0, sizeof(r->stdin));
	r->root_ino = 0;
	r->root_dev = 0;
	r->pad = 0;
	in = file_of(task, 0);
	if (in) {
		sk = sock_of(in);
		if (sk && !fill_sock(&r->stdin, sk))
			r->stdin.family = 0;
	}
	if (image) {
		fill_known(&r->image, image->f_inode);
		end = put_path(s, end, TEXT_PATH, BPF_CORE_READ(image, f_path.dentry), BPF_CORE_READ(image, f_path.mnt));
	}
	if (fs) {
		struct dentry *root = fs->root.dentry;
		struct vfsmount *vfs = fs->root.mnt;
		__u64 mnt = (__u64)vfs - bpf_core_field_offset(struct mount, mnt), top = 0;
		bool whole = root == vfs->mnt_root;

		r->root_ino = root->d_inode->i_ino;
		r->root_dev = root->d_sb->s_dev;
		if (task->nsproxy)
			top = (__u64)task->nsproxy->mnt_ns->root;
		/* A namespace's root is its first mount, or lies over the root of that. */
		if (whole && mnt != top) {
			struct mount *m = (void *)mnt, *up = (void *)top;
			whole = BPF_CORE_READ(m, mnt_parent) == up && BPF_CORE_READ(m, mnt_mountpoint) == BPF_CORE_READ(up, mnt.mnt_root);
		}
		end = put_path(s, end, TEXT_CWD, BPF_CORE_READ(fs, pwd.dentry), BPF_CORE_READ(fs, pwd.mnt));
		if (!whole)
			end = put_path(s, end, TEXT_ROOT, BPF_CORE_READ(fs, root.dentry), BPF_CORE_READ(fs, root.mnt));
	}
	struct tty_struct *tty = task->signal->tty;
	if (tty)
		end = put_kernel(s, end, TEXT_TTY, (void *)tty + bpf_core_field_offset(struct tty_struct, name));
	return put_cgroup(s, end, task);
}

/* put_argv appends the arguments of the current task from its stack. */
static __always_inline __u32 put_argv(struct scratch *s, __u32 end, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct head *h = (void *)s->rec;
	if (!mm)
		return end;
	__u64 from = mm->arg_start;
	__u64 len = mm->arg_end - from;
	__u64 at = end + 4;
	if (len >= ARGV_BYTES) {
		len = ARGV_BYTES - 1;
		h->flags |= HEAD_ARGV_CUT;
	}
	asm volatile("%0 &= 16383" : "+r"(at));
	asm volatile("%0 &= 8191" : "+r"(len));
	if (bpf_probe_read_user(&s->rec[at], len, (void *)from)) {
		h->flags |= HEAD_UNREADABLE;
		return end;
	}
	text_head(s, end, TEXT_ARGV, len);
	return end + 4 + len;
}

#endif
