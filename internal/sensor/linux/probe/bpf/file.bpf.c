// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* Files are made, changed, renamed, removed, and secrets are read. Where a call gives or takes a descriptor, the
 * file is taken from it. Where it takes a path, the names are those that a hook inside the call noted (witness.h, told.h);
 * without one, the folder is the kernel's and the rest is what user memory says at the end of the call, marked as
 * such. */
#include "told.h"
#include "self.h"

#define FMODE_PATH 0x4000
#define FMODE_CREATED 0x100000
#define O_TRUNC 01000
#define AT_FDCWD -100
#define AT_REMOVEDIR 0x200
#define MAP_SHARED_MASK 3
#define PROT_WRITE 2

/* An object that this process was reported to change, or that it made. */
struct change_key {
	__u64 start;
	__u64 ino;
	__u32 tgid;
	__u32 dev;
	__u64 generation; /* of the inode */
};

struct change {
	__u64 reported; /* boot time of the last report; 0: only made */
	__u64 made_by;	/* the open file that made it: writing through it is part of the making */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct change_key);
	__type(value, struct change);
} changes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct change_key);
	__type(value, __u64);
} reads SEC(".maps");

#define SECRET_NAME 48
#define SECRET_UNDER 16

struct secret_key {
	char name[SECRET_NAME];
};

struct secret {
	char under[SECRET_UNDER]; /* name of the folder it must lie in; empty for any */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_RDONLY_PROG); /* and frozen */
	__uint(max_entries, 512);
	__type(key, struct secret_key);
	__type(value, struct secret);
} secrets SEC(".maps");

#define WINDOW_NS 30000000000ULL

/* File systems that hold no files of anyone: what happens there is not reported. */
static __always_inline bool pseudo(__u64 magic)
{
	switch (magic) {
	case 0x9fa0:	 /* proc */
	case 0x62656572: /* sysfs */
	case 0x27e0eb:	 /* cgroup */
	case 0x63677270: /* cgroup2 */
	case 0x74726163: /* tracefs */
	case 0x64626720: /* debugfs */
	case 0xcafe4a11: /* bpf */
	case 0x1cd1:	 /* devpts */
	case 0x09041934: /* anonymous inodes */
	case 0x50495045: /* pipes */
	case 0x534f434b: /* sockets */
	case 0x19800202: /* message queues */
	case 0x958458f6: /* huge pages */
		return true;
	}
	return false;
}

static __always_inline struct inode *regular(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFREG)
		return 0;
	if (pseudo(BPF_CORE_READ(inode, i_sb, s_magic)))
		return 0;
	return inode;
}

static __always_inline void change_key(struct change_key *key, struct task_struct *task, struct inode *inode)
{
	struct task_struct *leader = task->group_leader;
	key->start = leader->start_boottime;
	key->tgid = task->tgid;
	key->ino = BPF_CORE_READ(inode, i_ino);
	key->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	key->generation = BPF_CORE_READ(inode, i_generation);
}

/* secret says whether a file is one that holds credentials, by its name and the name of its folder. */
static __always_inline bool secret(struct file *file)
{
	struct secret_key key = {};
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry), *folder;
	struct secret *s;
	char under[SECRET_UNDER] = {};

	if (bpf_probe_read_kernel_str(key.name, sizeof(key.name), BPF_CORE_READ(dentry, d_name.name)) <= 0)
		return false;
	s = bpf_map_lookup_elem(&secrets, &key);
	if (!s)
		return false;
	if (!s->under[0])
		return true;
	folder = BPF_CORE_READ(dentry, d_parent);
	bpf_probe_read_kernel_str(under, sizeof(under), BPF_CORE_READ(folder, d_name.name));
	for (int i = 0; i < SECRET_UNDER; i++) {
		if (under[i] != s->under[i])
			return false;
	}
	return true;
}

static __always_inline int report(struct task_struct *task, __u16 type, struct file *file, __u32 mode, __u32 how)
{
	struct scratch *s = scratch_take(CLASS_FILE);
	if (!s)
		return 0;
	struct file_record *r = (void *)s->rec;
	__u32 end = sizeof(*r);
	fill_head(&r->head, type, task);
	fill_file(&r->file, BPF_CORE_READ(file, f_inode));
	r->mode = mode;
	r->how = how;
	end = put_path(s, end, TEXT_PATH, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	if (type == REC_FILE_READ || type == REC_MEM_OPEN)
		submit(&ring_critical, RING_CRITICAL, CLASS_FILE, &r->head, end);
	else
		submit(&ring_bulk, RING_BULK, CLASS_FILE, &r->head, end);
	scratch_give(s);
	return 0;
}

/* changed reports a change of a file by a process: once in a window, but always when it cut the file to nothing. */
static __always_inline int changed(struct task_struct *task, struct file *file, struct inode *inode, __u32 how)
{
	struct change_key key = {};
	struct change *c, now = {};

	COUNT(CLASS_FILE, seen);
	change_key(&key, task, inode);
	c = bpf_map_lookup_elem(&changes, &key);
	now.reported = bpf_ktime_get_boot_ns();
	if (c && !how) {
		if (c->made_by == (__u64)file || (c->reported && now.reported - c->reported < WINDOW_NS)) {
			COUNT(CLASS_FILE, repeated);
			return 0;
		}
	}
	if (!spend(task, CLASS_FILE, how ? BUDGET_EMPTIED : BUDGET_FILE))
		return 0;
	bpf_map_update_elem(&changes, &key, &now, BPF_ANY);
	return report(task, REC_FILE_MODIFY, file, 0, how);
}

#define PROC_MAGIC 0x9fa0

/* memory_opened tells that a process opened the memory of another one for writing (/proc/PID/mem): what ptrace would do without
 * its call. */
static __always_inline int memory_opened(struct task_struct *task, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	char name[4] = {};

	if (BPF_CORE_READ(file, f_inode, i_sb, s_magic) != PROC_MAGIC)
		return 0;
	if (bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name)) != 4)
		return 0;
	if (name[0] != 'm' || name[1] != 'e' || name[2] != 'm' || BPF_CORE_READ(dentry, d_name.len) != 3)
		return 0;
	/* An open memory file keeps whose memory it is: nothing for a kernel thread, the own one is no news. */
	if (!BPF_CORE_READ(file, private_data) || BPF_CORE_READ(file, private_data) == (void *)task->mm)
		return 0;
	COUNT(CLASS_FILE, seen);
	if (!spend(task, CLASS_FILE, BUDGET_SECRET))
		return 0;
	return report(task, REC_MEM_OPEN, file, 0, 0);
}

/* opened tells what an open file says about its opening: it was made, it was emptied, it holds a secret. */
static __always_inline int opened(struct task_struct *task, struct file *file, bool emptied)
{
	__u32 mode = BPF_CORE_READ(file, f_mode);
	struct change_key key = {};
	struct inode *inode;
	__u64 now;

	if (mode & FMODE_PATH)
		return 0;
	inode = regular(file);
	if (!inode)
		return mode & FMODE_WRITE ? memory_opened(task, file) : 0;
	if (mode & FMODE_CREATED) {
		struct change made = {.made_by = (__u64)file};
		COUNT(CLASS_FILE, seen);
		if (!spend(task, CLASS_FILE, BUDGET_FILE))
			return 0;
		change_key(&key, task, inode);
		bpf_map_update_elem(&changes, &key, &made, BPF_ANY);
		return report(task, REC_FILE_CREATE, file, 0, 0);
	}
	if (mode & FMODE_READ && secret(file)) {
		COUNT(CLASS_FILE, seen);
		change_key(&key, task, inode);
		now = bpf_ktime_get_boot_ns();
		__u64 *last = bpf_map_lookup_elem(&reads, &key);
		if (last && now - *last < WINDOW_NS) {
			COUNT(CLASS_FILE, repeated);
		} else if (spend(task, CLASS_FILE, BUDGET_SECRET)) {
			bpf_map_update_elem(&reads, &key, &now, BPF_ANY);
			report(task, REC_FILE_READ, file, 0, 0);
		}
	}
	if (mode & FMODE_WRITE && emptied)
		return changed(task, file, inode, cut_how(task, inode));
	return 0;
}

enum open_how_given { OPEN_PLAIN = 0, OPEN_STRUCT = 1, OPEN_CREAT = 2 };

SEC("tp_btf/sys_exit")
int open_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = file_of(task, ctx[1]);
	volatile const struct call *call = call_of(regs);
	__u64 flags = 0;

	if (!file || !call)
		return 0;
	if (call->how == OPEN_CREAT)
		flags = O_TRUNC;
	else if (call->how == OPEN_STRUCT)
		bpf_probe_read_user(&flags, sizeof(flags), (void *)call_arg(regs, call->value));
	else
		flags = call_arg(regs, call->value);
	return opened(task, file, flags & O_TRUNC);
}

enum write_how { WRITE_BYTES = 0, WRITE_SIZE = 1, WRITE_MAP = 2 };

/* written tells that a process changes what is in an open file, or cuts it to nothing. */
static __always_inline int written(struct task_struct *task, struct file *file, bool cut)
{
	struct inode *inode = regular(file);

	if (!inode || !(BPF_CORE_READ(file, f_mode) & FMODE_WRITE))
		return 0;
	return changed(task, file, inode, cut ? cut_how(task, inode) : 0);
}

SEC("tp_btf/sys_exit")
int write_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	volatile const struct call *call = call_of(regs);
	struct file *file;

	if (!call)
		return 0;
	if (call->how == WRITE_BYTES && !ctx[1])
		return 0;
	if (call->how == WRITE_MAP) {
		/* mmap: only a shared, writable one of a file changes it */
		if (!(call_arg(regs, 2) & PROT_WRITE) || (call_arg(regs, 3) & MAP_SHARED_MASK) == 2)
			return 0;
	}
	file = file_of(task, call_arg(regs, call->fd));
	/* Only of ftruncate the table names the new size. */
	return file ? written(task, file, call->how == WRITE_SIZE && call->value != NO_ARG && !call_arg(regs, call->value)) : 0;
}

/* put_named appends where a path argument leads: the folder that it starts from, and the argument itself. */
static __always_inline __u32 put_named(struct scratch *s, __u32 end, struct task_struct *task, void *regs, __u8 dir,
				       __u8 path, __u16 base_tag, __u16 tag)
{
	struct fs_struct *fs = task->fs;
	struct dentry *dentry;
	struct vfsmount *mnt;
	__u64 first = end + 4;
	int fd = AT_FDCWD;

	end = put_user(s, end, tag, (void *)call_arg(regs, path));
	if (dir != NO_ARG)
		fd = call_arg(regs, dir);
	asm volatile("%0 &= 16383" : "+r"(first));
	if (s->rec[first] == '/') {
		dentry = BPF_CORE_READ(fs, root.dentry);
		mnt = BPF_CORE_READ(fs, root.mnt);
	} else if (fd == AT_FDCWD) {
		dentry = BPF_CORE_READ(fs, pwd.dentry);
		mnt = BPF_CORE_READ(fs, pwd.mnt);
	} else {
		struct file *file = file_of(task, fd);
		dentry = BPF_CORE_READ(file, f_path.dentry);
		mnt = BPF_CORE_READ(file, f_path.mnt);
	}
	return put_path(s, end, base_tag, dentry, mnt);
}

/* named begins a record of a call that takes paths. */
static __always_inline struct scratch *named(struct task_struct *task, __u16 type)
{
	struct scratch *s;
	struct file_record *r;

	COUNT(CLASS_FILE, seen);
	if (!spend(task, CLASS_FILE, BUDGET_FILE))
		return 0;
	s = scratch_take(CLASS_FILE);
	if (!s)
		return 0;
	r = (void *)s->rec;
	fill_head(&r->head, type, task);
	__builtin_memset(&r->file, 0, sizeof(r->file));
	r->mode = 0;
	r->how = 0;
	return s;
}

static __always_inline int send_named(struct scratch *s, __u32 end)
{
	submit(&ring_bulk, RING_BULK, CLASS_FILE, (void *)s->rec, end);
	scratch_give(s);
	return 0;
}

SEC("tp_btf/sys_exit")
int rename_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	volatile const struct call *call = call_of(regs);
	struct witness *w = witness_of(task, HANDLE_RENAME);
	struct scratch *s;
	__u32 begin = sizeof(struct file_record), end = begin;

	if (!call)
		return 0;
	s = named(task, REC_FILE_RENAME);
	if (!s)
		return 0;
	if (w)
		end = put_rename(s, begin, w);
	if (end == begin) {
		end = put_named(s, end, task, regs, call->dir, call->path, TEXT_OLD_BASE, TEXT_OLD_USER);
		end = put_named(s, end, task, regs, call->dir2, call->path2, TEXT_PATH, TEXT_USER);
	}
	return send_named(s, end);
}

SEC("tp_btf/sys_exit")
int delete_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	volatile const struct call *call = call_of(regs);
	struct witness *w = witness_of(task, HANDLE_DELETE);
	struct scratch *s;
	__u32 begin = sizeof(struct file_record), end = begin;

	if (!call)
		return 0;
	if (call->value != NO_ARG && call_arg(regs, call->value) & AT_REMOVEDIR)
		return 0;
	s = named(task, REC_FILE_DELETE);
	if (!s)
		return 0;
	if (w)
		end = put_removed(s, begin, w);
	if (end != begin)
		((struct file_record *)s->rec)->file = w->file;
	else
		end = put_named(s, end, task, regs, call->dir, call->path, TEXT_PATH, TEXT_USER);
	return send_named(s, end);
}

/* send_object sends a record about the one object of a call, with the name that it has. */
static __always_inline int send_object(struct task_struct *task, void *regs, volatile const struct call *call, __u16 type, __u32 mode)
{
	struct witness *w = witness_of(task, call->handler);
	struct scratch *s = named(task, type);
	struct file_record *r;
	__u32 begin = sizeof(struct file_record), end = begin;

	if (!s)
		return 0;
	r = (void *)s->rec;
	r->mode = mode;
	if (w)
		end = put_object(s, begin, TEXT_PATH, &w->place[0]);
	if (type == REC_FILE_MODIFY && call->value != NO_ARG && !call_arg(regs, call->value))
		r->how = w ? cut_how(task, w->place[0].inode) : CHANGE_CUT;
	if (end != begin)
		fill_file(&r->file, w->place[0].inode);
	else
		end = put_named(s, end, task, regs, call->dir, call->path, TEXT_PATH, TEXT_USER);
	return send_named(s, end);
}

SEC("tp_btf/sys_exit")
int chmod_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	volatile const struct call *call = call_of(regs);
	struct file *file;
	__u32 mode;

	if (!call)
		return 0;
	mode = call_arg(regs, call->value);
	if (call->path != NO_ARG)
		return send_object(task, regs, call, REC_FILE_CHMOD, mode);
	file = file_of(task, call_arg(regs, call->fd));
	if (!file || pseudo(BPF_CORE_READ(file, f_inode, i_sb, s_magic)))
		return 0;
	COUNT(CLASS_FILE, seen);
	if (!spend(task, CLASS_FILE, BUDGET_FILE))
		return 0;
	return report(task, REC_FILE_CHMOD, file, mode, 0);
}

SEC("tp_btf/sys_exit")
int truncate_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	volatile const struct call *call = call_of(regs);

	return call ? send_object(bpf_get_current_task_btf(), regs, call, REC_FILE_MODIFY, 0) : 0;
}

SEC("tp_btf/sys_exit")
int link_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	volatile const struct call *call = call_of(regs);
	struct witness *w = witness_of(task, HANDLE_LINK);
	struct scratch *s;
	__u32 begin = sizeof(struct file_record), end = begin;

	if (!call)
		return 0;
	s = named(task, REC_FILE_LINK);
	if (!s)
		return 0;
	((struct file_record *)s->rec)->how = call->how;
	if (w)
		end = put_link(s, begin, w, call->how);
	if (end != begin)
		return send_named(s, end);
	if (call->how == LINK_SYMBOLIC)
		end = put_user(s, end, TEXT_OLD_USER, (void *)call_arg(regs, call->path));
	else
		end = put_named(s, end, task, regs, call->dir, call->path, TEXT_OLD_BASE, TEXT_OLD_USER);
	end = put_named(s, end, task, regs, call->dir2, call->path2, TEXT_PATH, TEXT_USER);
	return send_named(s, end);
}

#define PF_KTHREAD 0x00200000

/* The other requests of an io_uring that this looks at (uapi/linux/io_uring.h). */
enum {
	URING_WRITEV = 2,
	URING_WRITE_FIXED = 5,
	URING_FALLOCATE = 17,
	URING_OPENAT = 18,
	URING_WRITE = 23,
	URING_OPENAT2 = 28,
	URING_FTRUNCATE = 55,
	URING_WRITEV_FIXED = 61,
};

/* named_done tells what a request did to the names that its witness noted. Without one there is nothing to tell: the
 * path that the request named is gone. */
static __always_inline int named_done(struct task_struct *task, struct io_kiocb *req, __u8 op)
{
	__u32 handler = uring_handler(op);
	struct witness *w = witness_spent((__u64)req, 0, handler);
	__u16 type = op == URING_RENAMEAT ? REC_FILE_RENAME : op == URING_UNLINKAT ? REC_FILE_DELETE : REC_FILE_LINK;
	struct scratch *s;
	__u32 begin = sizeof(struct file_record), end = begin;

	if (!w || BPF_CORE_READ(req, cqe.res) < 0 || task->flags & PF_KTHREAD)
		return 0; /* a kernel thread ends what a process left behind that is gone */
	s = named(task, type);
	if (!s)
		return 0;
	if (op == URING_RENAMEAT) {
		end = put_rename(s, begin, w);
	} else if (op == URING_UNLINKAT) {
		end = put_removed(s, begin, w);
		((struct file_record *)s->rec)->file = w->file;
	} else {
		((struct file_record *)s->rec)->how = op == URING_SYMLINKAT ? LINK_SYMBOLIC : LINK_HARD;
		end = put_link(s, begin, w, op == URING_SYMLINKAT ? LINK_SYMBOLIC : LINK_HARD);
	}
	if (end != begin)
		return send_named(s, end);
	scratch_give(s);
	COUNT(CLASS_FILE, filtered);
	return 0;
}

/* uring_done is to a request of an io_uring what the handlers above are to a call. The thread that it runs in is one
 * of the process that asked. */
SEC("tp_btf/io_uring_complete")
int uring_done(__u64 *ctx)
{
	struct io_kiocb *req = (void *)ctx[1];
	struct task_struct *task = bpf_get_current_task_btf();
	struct io_open *open = (void *)req;
	struct file *file;
	__s32 result;
	__u8 op;

	if (!req || !bpf_core_field_exists(req->cqe.res) || is_self(task->tgid))
		return 0;
	op = BPF_CORE_READ(req, opcode);
	result = BPF_CORE_READ(req, cqe.res);
	switch (op) {
	case URING_WRITE:
	case URING_WRITEV:
	case URING_WRITE_FIXED:
	case URING_WRITEV_FIXED:
		if (result <= 0)
			return 0;
		return written(task, BPF_CORE_READ(req, file), false);
	case URING_FALLOCATE:
	case URING_FTRUNCATE:
		if (result < 0)
			return 0;
		return written(task, BPF_CORE_READ(req, file), false);
	case URING_OPENAT:
	case URING_OPENAT2:
		/* Into a slot of the ring: no descriptor; what is written through it is seen. */
		if (result < 0 || (bpf_core_field_exists(open->file_slot) && BPF_CORE_READ(open, file_slot)))
			return 0;
		file = file_of(task, result);
		return file ? opened(task, file, BPF_CORE_READ(open, how.flags) & O_TRUNC) : 0;
	case URING_RENAMEAT:
	case URING_UNLINKAT:
	case URING_SYMLINKAT:
	case URING_LINKAT:
		return named_done(task, req, op);
	}
	return 0;
}
