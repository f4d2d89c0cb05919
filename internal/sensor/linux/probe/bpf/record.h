// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Records as they leave the kernel (docs/format/probe-record.md), the rings they leave by, and the
 * counters that account for those that do not. Shared by every probe; package probe reads the other end.
 */
#ifndef YAGURA_RECORD_H
#define YAGURA_RECORD_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

#define RECORD_VERSION 2

enum record_type {
	REC_EXEC = 1,
	REC_FORK = 2,
	REC_EXIT = 3,
	REC_TASK = 4,
	REC_CONNECT = 10,
	REC_ACCEPT = 11,
	REC_LISTEN = 12,
	REC_CLOSE = 13,
	REC_DNS_QUERY = 20,
	REC_DNS_ANSWER = 21,
	REC_FILE_CREATE = 30,
	REC_FILE_MODIFY = 31,
	REC_FILE_RENAME = 32,
	REC_FILE_DELETE = 33,
	REC_FILE_CHMOD = 34,
	REC_FILE_READ = 35,
	REC_FILE_LINK = 36,
	REC_PTRACE = 40,
	REC_VM_WRITE = 41,
	REC_MEMFD = 42,
	REC_MEM_OPEN = 43,
	REC_THROTTLE = 50,
};

/* Tags of the texts behind the fixed part. */
enum text_tag {
	TEXT_PATH = 1,     /* components, leaf first, each ended by NUL */
	TEXT_SCRIPT = 2,   /* bytes */
	TEXT_CWD = 3,      /* components */
	TEXT_ARGV = 4,     /* arguments, each ended by NUL */
	TEXT_TTY = 5,      /* bytes */
	TEXT_CGROUP = 6,   /* components */
	TEXT_OLD_BASE = 7, /* components */
	TEXT_OLD_USER = 8, /* bytes from user memory */
	TEXT_USER = 9,     /* bytes from user memory, below TEXT_PATH */
	TEXT_DNS = 10,     /* message as it was on the wire */
	TEXT_ENDS = 11,    /* array of struct end: pipes and redirected output of an exec */
	TEXT_ROOT = 12,    /* components: where the process's root lies, when that is not the namespace's */
	TEXT_ASKED = 13,   /* bytes: what the kernel was asked to run, when no interpreter stands in for it */
};

/* Bits of head.flags. */
#define HEAD_PATH_CUT 1   /* a path had more components or bytes than we take */
#define HEAD_ARGV_CUT 2   /* the arguments were longer than we take */
#define HEAD_UNREADABLE 4 /* a text could not be read */
#define HEAD_USER 8       /* a text came from user memory */

enum class {
	CLASS_PROCESS = 0,
	CLASS_NETWORK = 1,
	CLASS_DNS = 2,
	CLASS_FILE = 3,
	CLASS_MEMORY = 4,
	CLASS_MAX = 5,
};

enum ring {
	RING_CRITICAL = 0,
	RING_NETWORK = 1,
	RING_BULK = 2,
	RING_MAX = 3,
};

struct head {
	__u16 type;
	__u8 version;
	__u8 flags;
	__u32 len;
	__u64 seq; /* of this CPU and ring; the CPU in the top 16 bits */
	__u64 boot_ns;
	__u64 start; /* start_boottime of the group leader: with tgid, the process key */
	__u32 tgid;
	__u32 tid;
	__u64 cgid;
	/* who did it, enough to name a process whose fork and exec were lost */
	__u64 parent_start;
	__u32 parent_tgid;
	__u32 uid;
	__u32 euid;
	__u32 exec_id;
	char comm[16];
};

/* What a descriptor of a process leads to. */
struct end {
	__u64 ino;
	__u32 dev;
	__u16 fd;
	__u16 how;
};

enum end_how {
	END_READ = 1,  /* the reading end of a pipe or FIFO */
	END_WRITE = 2, /* the writing end */
	END_FILE = 4,  /* a regular file, open for writing */
	END_FIFO = 8,  /* with one of the first two: it has a name, and may be used again */
};

struct exit_record {
	struct head head;
	__u64 cpu_ns;
	__u32 code; /* as wait gives it: signal in the low 7 bits, status above 8 */
	__u32 pad;
	struct end in, out; /* of a process that never called exec: how 0 when the descriptor is no pipe */
};

struct fileinfo {
	__u64 ino;
	__u64 size;
	__s64 mtime; /* ns since 1970 */
	__s64 ctime;
	__u64 magic;
	__u32 dev;
	__u32 mode;
	__u32 nlink;
	__u32 uid;
};

struct sockinfo {
	__u16 family;
	__u16 lport;
	__u16 rport;
	__u8 proto;
	__u8 state;
	__u8 laddr[16];
	__u8 raddr[16];
};

struct counters {
	__u64 seen;      /* acts that a probe was asked about */
	__u64 filtered;  /* of no interest: rule of the probe */
	__u64 repeated;  /* the same act of the same process a moment ago */
	__u64 throttled; /* held back by the process's token bucket */
	__u64 submitted; /* handed to a ring */
	__u64 ring_full; /* lost: no room in the ring */
	__u64 no_scratch; /* lost: no room to build the record */
	__u64 rescued;	  /* told by a second look: the kernel had skipped the first */
};

/* 32 KiB is the most that a per-CPU value may have. */
#define SCRATCH_BYTES 32768
#define SCRATCH_REC (SCRATCH_BYTES - 48 - sizeof(struct cgroup_text))
#define CGROUP_TEXT 252
#define PATH_BYTES 4096
#define PATH_STEPS 256
#define ARGV_BYTES 8192
/* A text may start below this; behind it the longest text still fits: 16383 + 8191 < SCRATCH_REC. */
#define OFFSET_MASK 16383

struct cgroup_text {
	__u32 len;
	char text[CGROUP_TEXT];
};

struct scratch {
	__u64 busy;
	/* State of path_walk. In memory the verifier knows nothing about it, so all ways through one step of the
	 * loop look alike and are checked once; in registers 256 steps cost it over a million instructions. */
	struct dentry *dentry, *root;
	struct mount *mnt;
	__u64 n;
	__u64 open; /* of ends_walk: descriptors to come */
	struct cgroup_text cgroup; /* on its way into the table of known ones */
	__u8 rec[SCRATCH_REC];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 << 20);
} ring_critical SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 << 20);
} ring_network SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring_bulk SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CLASS_MAX);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RING_MAX);
	__type(key, __u32);
	__type(value, __u64);
} sequences SEC(".maps");

/* What the sensor waits for while it sleeps without a timer. */
enum asleep {
	AWAKE = 0,	     /* it looks by itself: nobody knocks */
	ASLEEP_CRITICAL = 1, /* a critical record wakes it, others only when their ring fills */
	ASLEEP_ALL = 2,	     /* any record wakes it */
};

/* Mapped into the sensor's memory, the one table that it writes while programs run, so it cannot be frozen. What decides
 * is never here: whoever else writes it holds a record up for a second at most, and the sensor tells of it. */
struct settings {
	__u32 mark; /* of the sensor's choice: a write of another one changes it */
	__u32 asleep;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

/*
 * LOOP_HEAD opens the body of a loop with several ways on. Verifiers before 6.7 know the way back to a loop's
 * head only as a jump; without this, clang 14 lays path_walk out so that a step runs on into the head, and
 * 6.1 refuses every program that names a file ("back-edge from insn"). TestLoopsCloseWithAJump looks.
 */
#define LOOP_HEAD() asm volatile("" ::: "memory")

#define COUNT(class_, field)                                                      \
	do {                                                                      \
		__u32 key_ = (class_);                                            \
		struct counters *c_ = bpf_map_lookup_elem(&counters, &key_);      \
		if (c_)                                                           \
			__sync_fetch_and_add(&c_->field, 1);                      \
	} while (0)

static __always_inline __u64 next_seq(__u32 ring)
{
	__u64 *n = bpf_map_lookup_elem(&sequences, &ring);
	if (!n)
		return 0;
	/* Nested by a soft interrupt on the same CPU at most, never shared between CPUs. */
	__u64 cpu = bpf_get_smp_processor_id();
	return (cpu << 48) | (__sync_fetch_and_add(n, 1) & 0xffffffffffffULL);
}

/* scratch_take gives this CPU's record buffer; NULL when a record is being built in it already, which is
 * possible where tracepoints may be preempted. */
static __always_inline struct scratch *scratch_take(__u32 class)
{
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s)
		return 0;
	if (__sync_lock_test_and_set(&s->busy, 1)) {
		COUNT(class, no_scratch);
		return 0;
	}
	return s;
}

static __always_inline void scratch_give(struct scratch *s)
{
	s->busy = 0;
}

static __always_inline void fill_head(struct head *h, __u16 type, struct task_struct *task)
{
	/* The task is a kernel pointer that the verifier knows, and so is all that hangs on it: plain loads,
	 * a fraction of what a helper call costs. */
	struct task_struct *leader = task->group_leader;
	struct task_struct *parent = task->real_parent;
	const struct cred *cred = task->real_cred;

	h->type = type;
	h->version = RECORD_VERSION;
	h->flags = 0;
	h->boot_ns = bpf_ktime_get_boot_ns();
	h->start = leader->start_boottime;
	h->tgid = task->tgid;
	h->tid = task->pid;
	h->cgid = 0;
	h->parent_tgid = parent->tgid;
	h->parent_start = parent->group_leader->start_boottime;
	h->uid = cred->uid.val;
	h->euid = cred->euid.val;
	h->exec_id = task->self_exec_id;
	/* The leader's: threads name themselves after their work, not after the process. Two loads, not a call. */
	((__u64 *)h->comm)[0] = ((__u64 *)leader->comm)[0];
	((__u64 *)h->comm)[1] = ((__u64 *)leader->comm)[1];
}

/* From 6.13 the kernel notes in a high bit of the nanoseconds that somebody asked for the change time. */
#define CTIME_NSEC 0x3fffffff

/* fill_file reads a file of which only the address is known. */
static __always_inline void fill_file(struct fileinfo *f, struct inode *inode)
{
	struct super_block *sb = BPF_CORE_READ(inode, i_sb);
	f->ino = BPF_CORE_READ(inode, i_ino);
	f->size = BPF_CORE_READ(inode, i_size);
	f->mode = BPF_CORE_READ(inode, i_mode);
	f->nlink = BPF_CORE_READ(inode, i_nlink);
	f->uid = BPF_CORE_READ(inode, i_uid.val);
	f->dev = BPF_CORE_READ(sb, s_dev);
	f->magic = BPF_CORE_READ(sb, s_magic);
	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		f->mtime = BPF_CORE_READ(inode, i_mtime_sec) * 1000000000 + BPF_CORE_READ(inode, i_mtime_nsec);
		f->ctime = BPF_CORE_READ(inode, i_ctime_sec) * 1000000000 + (BPF_CORE_READ(inode, i_ctime_nsec) & CTIME_NSEC);
		return;
	}
	struct inode___67 *i67 = (void *)inode;
	if (bpf_core_field_exists(i67->__i_mtime)) {
		f->mtime = BPF_CORE_READ(i67, __i_mtime.tv_sec) * 1000000000 + BPF_CORE_READ(i67, __i_mtime.tv_nsec);
		f->ctime = BPF_CORE_READ(i67, __i_ctime.tv_sec) * 1000000000 + BPF_CORE_READ(i67, __i_ctime.tv_nsec);
		return;
	}
	struct inode___66 *i66 = (void *)inode;
	if (bpf_core_field_exists(i66->__i_ctime)) {
		f->mtime = BPF_CORE_READ(i66, i_mtime.tv_sec) * 1000000000 + BPF_CORE_READ(i66, i_mtime.tv_nsec);
		f->ctime = BPF_CORE_READ(i66, __i_ctime.tv_sec) * 1000000000 + BPF_CORE_READ(i66, __i_ctime.tv_nsec);
		return;
	}
	struct inode___61 *i61 = (void *)inode;
	if (bpf_core_field_exists(i61->i_ctime)) {
		f->mtime = BPF_CORE_READ(i61, i_mtime.tv_sec) * 1000000000 + BPF_CORE_READ(i61, i_mtime.tv_nsec);
		f->ctime = BPF_CORE_READ(i61, i_ctime.tv_sec) * 1000000000 + BPF_CORE_READ(i61, i_ctime.tv_nsec);
	}
}

/* fill_known is fill_file for an inode that the verifier knows: loads, where the other calls for every field. */
static __always_inline void fill_known(struct fileinfo *f, struct inode *inode)
{
	struct super_block *sb = inode->i_sb;
	f->ino = inode->i_ino;
	f->size = inode->i_size;
	f->mode = inode->i_mode;
	f->nlink = inode->i_nlink;
	f->uid = inode->i_uid.val;
	f->dev = sb->s_dev;
	f->magic = sb->s_magic;
	f->mtime = 0;
	f->ctime = 0;
	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		f->mtime = inode->i_mtime_sec * 1000000000 + inode->i_mtime_nsec;
		f->ctime = inode->i_ctime_sec * 1000000000 + (inode->i_ctime_nsec & CTIME_NSEC);
		return;
	}
	struct inode___67 *i67 = (void *)inode;
	if (bpf_core_field_exists(i67->__i_mtime)) {
		f->mtime = i67->__i_mtime.tv_sec * 1000000000 + i67->__i_mtime.tv_nsec;
		f->ctime = i67->__i_ctime.tv_sec * 1000000000 + i67->__i_ctime.tv_nsec;
		return;
	}
	struct inode___66 *i66 = (void *)inode;
	if (bpf_core_field_exists(i66->__i_ctime)) {
		f->mtime = i66->i_mtime.tv_sec * 1000000000 + i66->i_mtime.tv_nsec;
		f->ctime = i66->__i_ctime.tv_sec * 1000000000 + i66->__i_ctime.tv_nsec;
		return;
	}
	struct inode___61 *i61 = (void *)inode;
	if (bpf_core_field_exists(i61->i_ctime)) {
		f->mtime = i61->i_mtime.tv_sec * 1000000000 + i61->i_mtime.tv_nsec;
		f->ctime = i61->i_ctime.tv_sec * 1000000000 + i61->i_ctime.tv_nsec;
	}
}

/* fill_sock reads the four ends of a TCP or UDP socket; false for any other family. */
static __always_inline bool fill_sock(struct sockinfo *s, struct sock *sk)
{
	s->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	s->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	s->proto = BPF_CORE_READ(sk, sk_protocol);
	if (s->family != 2 && s->family != 10)
		return false;
	__u16 rport = BPF_CORE_READ(sk, __sk_common.skc_dport);
	s->rport = __builtin_bswap16(rport);
	s->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (!s->lport) {
		__u16 lport = BPF_CORE_READ((struct inet_sock *)sk, inet_sport);
		s->lport = __builtin_bswap16(lport);
	}
	if (s->family == 2) {
		bpf_core_read(s->laddr, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_core_read(s->raddr, 4, &sk->__sk_common.skc_daddr);
	} else {
		bpf_core_read(s->laddr, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(s->raddr, 16, &sk->__sk_common.skc_v6_daddr);
	}
	return true;
}

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFIFO 0010000
#define PIPEFS_MAGIC 0x50495045
#define FMODE_READ 1
#define FMODE_WRITE 2

/* file_of gives the open file behind a descriptor of the task. */
static __always_inline struct file *file_of(struct task_struct *task, __u32 fd)
{
	struct files_struct *files = task->files;
	struct file **table, *file = 0;
	if (!files || fd >= files->fdt->max_fds)
		return 0;
	table = files->fdt->fd;
	bpf_probe_read_kernel(&file, sizeof(file), &table[fd]);
	return file;
}

/* fill_end tells what a descriptor leads to, if that is a pipe or, where files are asked for, a file that is written. */
static __always_inline bool fill_end(struct end *e, struct file *file, __u16 fd, bool files)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	__u16 type = BPF_CORE_READ(inode, i_mode) & S_IFMT;
	struct super_block *sb;
	__u32 mode;

	/* Most descriptors end here, after two reads. */
	e->how = 0;
	if (type != S_IFIFO && !(files && type == S_IFREG))
		return false;
	mode = BPF_CORE_READ(file, f_mode);
	if (type == S_IFIFO)
		e->how = mode & (FMODE_READ | FMODE_WRITE);
	else if (mode & FMODE_WRITE)
		e->how = END_FILE;
	if (!e->how)
		return false;
	sb = BPF_CORE_READ(inode, i_sb);
	if (type == S_IFIFO && BPF_CORE_READ(sb, s_magic) != PIPEFS_MAGIC)
		e->how |= END_FIFO;
	e->fd = fd;
	e->ino = BPF_CORE_READ(inode, i_ino);
	e->dev = BPF_CORE_READ(sb, s_dev);
	return true;
}

/* sock_of gives the internet socket behind an open file, NULL for anything else. */
static __always_inline struct sock *sock_of(struct file *file)
{
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

#define WALK_BYTES 0x1fff
#define WALK_CUT (1 << 16)    /* it had to stop early */
#define WALK_ROOTED (1 << 17) /* it came by the root of the mount that it was given: the object lies in that mount */

/*
 * path_walk writes the components of a path, leaf first, each ended by NUL, at offset off of this CPU's
 * scratch and returns how many bytes that took, and the bits above. A global function, so that the verifier
 * looks at its loop once and not once per caller.
 */
__noinline int path_walk(__u64 dentry_addr, __u64 vfsmount_addr, __u32 off)
{
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct vfsmount *vfs = (void *)vfsmount_addr;
	struct mount *first = (void *)(vfsmount_addr - bpf_core_field_offset(struct mount, mnt));

	if (!s || !dentry_addr || !vfs)
		return 0;
	s->dentry = (void *)dentry_addr;
	s->mnt = first;
	s->root = BPF_CORE_READ(vfs, mnt_root);
	s->n = 0;
	for (int i = 0; i < PATH_STEPS; i++) {
		LOOP_HEAD();
		struct dentry *dentry = s->dentry, *parent;
		if (dentry == s->root) {
			struct mount *mnt = s->mnt, *up = BPF_CORE_READ(mnt, mnt_parent);
			if (up == mnt || !up)
				return s->n | WALK_ROOTED;
			s->dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
			s->root = BPF_CORE_READ(up, mnt.mnt_root);
			s->mnt = up;
			continue;
		}
		if (s->n > PATH_BYTES)
			break;
		__u64 at = off + s->n;
		/* 16383 + 256 lies inside the record. */
		asm volatile("%0 &= 16383" : "+r"(at));
		long len = bpf_probe_read_kernel_str(&s->rec[at], 256, BPF_CORE_READ(dentry, d_name.name));
		if (len <= 0)
			break;
		s->n += len;
		parent = BPF_CORE_READ(dentry, d_parent);
		if (parent == dentry) /* a memfd, or a tree that is no longer mounted */
			return s->n | (s->mnt == first ? 0 : WALK_ROOTED);
		s->dentry = parent;
	}
	return s->n | WALK_CUT | (s->mnt == first ? 0 : WALK_ROOTED);
}

/* text_head puts the tag and length of a text at off. */
static __always_inline void text_head(struct scratch *s, __u64 off, __u16 tag, __u16 len)
{
	asm volatile("%0 &= 16383" : "+r"(off));
	*(__u16 *)&s->rec[off] = tag;
	*(__u16 *)&s->rec[off + 2] = len;
}

/* put_path appends a path and returns the new end of the record. */
static __always_inline __u32 put_path(struct scratch *s, __u32 end, __u16 tag, struct dentry *dentry,
				      struct vfsmount *mnt)
{
	int n = path_walk((__u64)dentry, (__u64)mnt, end + 4);
	if (n & WALK_CUT)
		((struct head *)s->rec)->flags |= HEAD_PATH_CUT;
	n &= WALK_BYTES;
	text_head(s, end, tag, n);
	return end + 4 + n;
}

/* put_kernel appends a NUL-ended kernel text of at most 4095 bytes. */
static __always_inline __u32 put_kernel(struct scratch *s, __u32 end, __u16 tag, const void *from)
{
	__u64 at = end + 4;
	asm volatile("%0 &= 16383" : "+r"(at));
	long n = bpf_probe_read_kernel_str(&s->rec[at], PATH_BYTES, from);
	if (n <= 1)
		return end;
	n--; /* without the NUL */
	text_head(s, end, tag, n);
	return end + 4 + n;
}

/* put_user appends a NUL-ended text from user memory. By the end of a system call its page is present:
 * the kernel has just read it. */
static __always_inline __u32 put_user(struct scratch *s, __u32 end, __u16 tag, const void *from)
{
	__u64 at = end + 4;
	asm volatile("%0 &= 16383" : "+r"(at));
	long n = bpf_probe_read_user_str(&s->rec[at], PATH_BYTES, from);
	struct head *h = (void *)s->rec;
	h->flags |= HEAD_USER;
	if (n < 1) {
		h->flags |= HEAD_UNREADABLE;
		return end;
	}
	n--;
	text_head(s, end, tag, n);
	return end + 4 + n;
}

#define KNOCK_BYTES (256 << 10) /* in a ring that does not wake at once */

/*
 * knock wakes the sensor if it sleeps. It comes behind the record: the sensor says that it sleeps before it
 * looks at the rings a last time, so one of the two sees the other. A wake-up costs an interrupt, several
 * microseconds, so the first record pays it and the sensor then looks by itself until nothing comes any more.
 */
static __always_inline void knock(void *ring, __u32 ring_id)
{
	__u32 zero = 0;
	struct settings *s = bpf_map_lookup_elem(&settings, &zero);
	void *empty;

	if (!s || !*(volatile __u32 *)&s->asleep)
		return;
	if (ring_id != RING_CRITICAL && *(volatile __u32 *)&s->asleep == ASLEEP_CRITICAL &&
	    bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) < KNOCK_BYTES)
		return;
	if (!__sync_lock_test_and_set(&s->asleep, AWAKE))
		return;
	empty = bpf_ringbuf_reserve(ring, 8, 0);
	if (empty)
		bpf_ringbuf_discard(empty, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void submit(void *ring, __u32 ring_id, __u32 class, struct head *h, __u64 len)
{
	h->len = len;
	h->seq = next_seq(ring_id);
	asm volatile("%0 &= 32767" : "+r"(len));
	if (len > SCRATCH_REC)
		return;
	if (bpf_ringbuf_output(ring, h, len, BPF_RB_NO_WAKEUP))
		COUNT(class, ring_full);
	else
		COUNT(class, submitted);
	knock(ring, ring_id);
}

#endif
