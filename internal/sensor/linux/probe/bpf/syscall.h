// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The one program on sys_exit looks a call up in a table and jumps to its handler (syscall.bpf.c). Handlers
 * live with their subjects. Arguments are read at the end of the call: by then every page that a path lies in
 * is present, and what the call made can be looked at instead of what it was asked for.
 */
#ifndef YAGURA_SYSCALL_H
#define YAGURA_SYSCALL_H

#include "record.h"

#define SYSCALL_MAX 512
#define CALLS_32 SYSCALL_MAX /* from here on in the table: the calls of 32-bit programs, which are numbered otherwise */

enum handler {
	HANDLE_NONE = 0,
	HANDLE_ACCEPT = 1,
	HANDLE_OPEN = 2,
	HANDLE_WRITE = 3,
	HANDLE_RENAME = 4,
	HANDLE_DELETE = 5,
	HANDLE_CHMOD = 6,
	HANDLE_LINK = 7,
	HANDLE_PTRACE = 8,
	HANDLE_VM_WRITE = 9,
	HANDLE_MEMFD = 10,
	HANDLE_TRUNCATE = 11,
	HANDLE_MAX = 12,
};

/* What a number of this architecture means to its handler. */
struct call {
	__u8 handler;
	/* Places of the arguments, 0xff for none: a descriptor, folder descriptors and paths, a mode or flags. */
	__u8 fd;
	__u8 dir;
	__u8 path;
	__u8 dir2;
	__u8 path2;
	__u8 value;
	__u8 how; /* meaning depends on the handler */
};

#define NO_ARG 0xff

/* by_path says whether what a call acts on is known by the names that a hook inside it notes: see witness.h. */
static __always_inline bool by_path(volatile const struct call *call)
{
	return call->path != NO_ARG &&
	       ((call->handler >= HANDLE_RENAME && call->handler <= HANDLE_LINK) || call->handler == HANDLE_TRUNCATE);
}

/* Read-only data, filled by package probe before a program is loaded. Not a table: one that is frozen and closed to
 * programs is refused by the verifier unless it has one place ("operation not supported"). */
volatile const struct call calls[CALLS_32 + SYSCALL_MAX] = {};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, HANDLE_MAX);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} handlers SEC(".maps");

#define PLACES 4
#define NAME_BYTES 256

/* Where an object lies: its name, and the folder that it is in. */
struct place {
	struct dentry *object;
	struct inode *inode; /* of object; 0: none is noted here, or it is only about to be made */
	struct dentry *folder;
	struct inode *folder_inode;
	struct vfsmount *mnt; /* 0: not known */
	__u64 hash;	      /* of the name, with its length */
	char name[NAME_BYTES];
};

/* What a call or a request acts on: see witness.h. */
struct witness {
	__u64 start;	/* start_boottime of the thread; 0 of a request */
	__u32 handler;	/* of the call; 0: it has ended */
	__u32 places;	/* noted so far */
	struct fileinfo file;
	struct place place[PLACES];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, __u64); /* thread, or address of the request */
	__type(value, struct witness);
} witnesses SEC(".maps");

/* The size of a file before the running call cuts it to nothing, noted by witness.bpf.c where the kernel has trampolines. */
struct cut {
	__u64 start; /* start_boottime of the thread */
	struct inode *inode;
	__u64 size;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, __u32); /* thread */
	__type(value, struct cut);
} cuts SEC(".maps");

static __always_inline struct witness *witness_spent(__u64 key, __u64 start, __u32 handler)
{
	struct witness *w = bpf_map_lookup_elem(&witnesses, &key);
	if (!w || w->handler != handler || w->start != start)
		return 0;
	w->handler = HANDLE_NONE;
	return w;
}

/* witness_of gives what was noted for the call that ends now. It is spent by that. */
static __always_inline struct witness *witness_of(struct task_struct *task, __u32 handler)
{
	return witness_spent(task->pid, task->start_boottime, handler);
}

#define TS_COMPAT 2

/* is_compat says whether the call is one of a 32-bit program, whose numbers mean other calls. */
static __always_inline bool is_compat(struct task_struct *task)
{
	return bpf_core_field_exists(task->thread_info.status) && task->thread_info.status & TS_COMPAT;
}

/* call_number gives the place of the running call in the table of calls; beyond its end for none. */
static __always_inline __u32 call_number(void *regs)
{
	struct pt_regs___x86 *x86 = regs;
	struct pt_regs___arm64 *arm = regs;
	__u64 number = SYSCALL_MAX;
	if (bpf_core_field_exists(x86->orig_ax))
		number = x86->orig_ax;
	else if (bpf_core_field_exists(arm->syscallno))
		number = (__u32)arm->syscallno;
	if (number >= SYSCALL_MAX)
		return CALLS_32 + SYSCALL_MAX;
	return is_compat(bpf_get_current_task_btf()) ? CALLS_32 + number : number;
}

/* call_arg gives an argument of the running call. */
static __always_inline __u64 call_arg(void *regs, __u8 n)
{
	struct pt_regs___x86 *x86 = regs;
	struct pt_regs___arm64 *arm = regs;
	if (bpf_core_field_exists(x86->orig_ax)) {
		if (is_compat(bpf_get_current_task_btf())) {
			switch (n) {
			case 0:
				return (__u32)x86->bx;
			case 1:
				return (__u32)x86->cx;
			case 2:
				return (__u32)x86->dx;
			case 3:
				return (__u32)x86->si;
			case 4:
				return (__u32)x86->di;
			}
			return 0;
		}
		switch (n) {
		case 0:
			return x86->di;
		case 1:
			return x86->si;
		case 2:
			return x86->dx;
		case 3:
			return x86->r10;
		case 4:
			return x86->r8;
		}
		return 0;
	}
	if (bpf_core_field_exists(arm->syscallno)) {
		if (n == 0) /* the result has taken its place */
			return arm->orig_x0;
		__u64 value = 0;
		if (n < 8)
			bpf_probe_read_kernel(&value, sizeof(value), &arm->regs[n]);
		return value;
	}
	return 0;
}

static __always_inline volatile const struct call *call_of(void *regs)
{
	__u32 number = call_number(regs);
	return number < CALLS_32 + SYSCALL_MAX ? &calls[number] : 0;
}

/* Budget of a process for one class: what goes over it is counted, not sent. */
struct bucket_key {
	__u64 start;
	__u32 tgid;
	__u32 budget;
};

/* Budgets. Reads of secrets have their own: a process that makes a noise with files must not be able to hide
 * that it reads one, and a process that reads ten thousand must not crowd execs out of the critical ring. */
enum budget {
	BUDGET_FILE = CLASS_FILE,
	BUDGET_MEMORY = CLASS_MEMORY,
	BUDGET_SECRET = CLASS_MAX,
	/* Files that are emptied: who makes ten thousand files first must not be able to hide that he then empties a log. */
	BUDGET_EMPTIED = CLASS_MAX + 1,
};

struct bucket {
	__u64 filled;     /* when tokens was last brought up to date */
	__u64 tokens;
	__u64 held_back; /* since the bucket was made */
	__u64 held_last;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct bucket_key);
	__type(value, struct bucket);
} buckets SEC(".maps");

struct throttle_record {
	struct head head;
	__u32 class;
	__u32 budget;
	__u64 held_before; /* by earlier throttlings of this process */
};

#define BUCKET_RATE 1000ULL  /* tokens a second */
#define BUCKET_BURST 4000ULL
#define BUCKET_CALM_NS 1000000000ULL /* without a refusal: the throttling is over */

/* spend takes a token of the task; false when it has none left. The first refusal is told to the sensor, which
 * looks at the bucket until the process calms down. Two threads may both take the last token: the budget is
 * there to bound noise, not to be exact; what is refused is counted exactly. */
static __always_inline bool spend(struct task_struct *task, __u32 class, __u32 budget)
{
	struct task_struct *leader = task->group_leader;
	struct bucket_key key = {.start = leader->start_boottime, .tgid = task->tgid, .budget = budget};
	struct bucket *b = bpf_map_lookup_elem(&buckets, &key);
	__u64 now = bpf_ktime_get_boot_ns();

	if (!b) {
		struct bucket fresh = {.filled = now, .tokens = BUCKET_BURST - 1};
		bpf_map_update_elem(&buckets, &key, &fresh, BPF_ANY);
		return true;
	}
	__u64 earned = (now - b->filled) * BUCKET_RATE / 1000000000ULL;
	if (earned) {
		__u64 tokens = b->tokens + earned;
		b->tokens = tokens > BUCKET_BURST ? BUCKET_BURST : tokens;
		b->filled = now;
	}
	if (b->tokens) {
		b->tokens--;
		return true;
	}
	COUNT(class, throttled);
	__u64 before = b->held_last;
	b->held_last = now;
	__u64 held = __sync_fetch_and_add(&b->held_back, 1);
	if (!before || now - before > BUCKET_CALM_NS) {
		struct throttle_record r = {};
		fill_head(&r.head, REC_THROTTLE, task);
		r.class = class;
		r.budget = budget;
		r.held_before = held;
		r.head.len = sizeof(r);
		r.head.seq = next_seq(RING_CRITICAL);
		bpf_ringbuf_output(&ring_critical, &r, sizeof(r), BPF_RB_NO_WAKEUP);
		knock(&ring_critical, RING_CRITICAL);
	}
	return false;
}

#endif
