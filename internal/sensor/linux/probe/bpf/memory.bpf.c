// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* One process reaches into another, or makes a program that is on no disk. */
#include "syscall.h"

#define PTRACE_TRACEME 0
#define PTRACE_POKETEXT 4
#define PTRACE_POKEDATA 5
#define PTRACE_POKEUSR 6
#define PTRACE_SETREGS 13
#define PTRACE_ATTACH 16
#define PTRACE_SETREGSET 0x4205
#define PTRACE_SEIZE 0x4206

struct memory_record {
	struct head head;
	__u64 target_start; /* 0: only the number that the caller gave is known */
	__u32 target_tgid;
	__u32 request;
	__u32 pidns_level; /* of the caller: above 0 its numbers are not the host's */
	__u32 pad;
};

/* One report a second for each pair and request: a debugger pokes word by word. */
struct poke_key {
	__u64 start;
	__u64 target;
	__u32 tgid;
	__u32 request;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct poke_key);
	__type(value, __u64);
} pokes SEC(".maps");

#define POKE_WINDOW_NS 1000000000ULL

static __always_inline bool repeated(struct task_struct *task, __u64 target, __u32 request)
{
	struct task_struct *leader = task->group_leader;
	struct poke_key key = {.start = leader->start_boottime, .tgid = task->tgid, .target = target, .request = request};
	__u64 now = bpf_ktime_get_boot_ns(), *last = bpf_map_lookup_elem(&pokes, &key);

	if (last && now - *last < POKE_WINDOW_NS) {
		COUNT(CLASS_MEMORY, repeated);
		return true;
	}
	bpf_map_update_elem(&pokes, &key, &now, BPF_ANY);
	return false;
}

/* traced finds the tracee with this thread number among those of the task. The caller's number is compared
 * in the first pid namespace; elsewhere the newest tracee is taken, which is right for an attach. */
static __always_inline void traced(struct memory_record *r, struct task_struct *task, __u32 number)
{
	struct list_head *head = (void *)task + bpf_core_field_offset(struct task_struct, ptraced);
	struct list_head *at = BPF_CORE_READ(task, ptraced.next);

	for (int i = 0; i < 8; i++) {
		if (at == head || !at)
			return;
		struct task_struct *t = (void *)at - bpf_core_field_offset(struct task_struct, ptrace_entry);
		if (r->pidns_level || BPF_CORE_READ(t, pid) == number) {
			r->target_tgid = BPF_CORE_READ(t, tgid);
			r->target_start = BPF_CORE_READ(t, group_leader, start_boottime);
			return;
		}
		at = BPF_CORE_READ(at, next);
	}
}

static __always_inline void begin(struct memory_record *r, struct task_struct *task, __u16 type)
{
	__builtin_memset(r, 0, sizeof(*r));
	fill_head(&r->head, type, task);
	r->pidns_level = BPF_CORE_READ(task, nsproxy, pid_ns_for_children, level);
}

SEC("tp_btf/sys_exit")
int ptrace_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	struct memory_record r;
	__u64 request = call_arg(regs, 0), number = call_arg(regs, 1);

	switch (request) {
	case PTRACE_TRACEME:
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
	case PTRACE_POKEUSR:
	case PTRACE_SETREGS:
	case PTRACE_ATTACH:
	case PTRACE_SETREGSET:
	case PTRACE_SEIZE:
		break;
	default:
		return 0;
	}
	COUNT(CLASS_MEMORY, seen);
	if (repeated(task, number, request) || !spend(task, CLASS_MEMORY, BUDGET_MEMORY))
		return 0;
	begin(&r, task, REC_PTRACE);
	r.request = request;
	if (request == PTRACE_TRACEME) {
		r.target_tgid = r.head.tgid;
		r.target_start = r.head.start;
	} else {
		/* The task's own list is looked at: a thread may also be traced by a sibling of the caller, and
		 * then the number that the caller gave is all there is. */
		r.target_tgid = r.pidns_level ? 0 : number;
		traced(&r, task, number);
	}
	submit(&ring_critical, RING_CRITICAL, CLASS_MEMORY, &r.head, sizeof(r));
	return 0;
}

SEC("tp_btf/sys_exit")
int vm_write_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	struct memory_record r;
	__u64 number = call_arg(regs, 0);

	COUNT(CLASS_MEMORY, seen);
	if (repeated(task, number, -1) || !spend(task, CLASS_MEMORY, BUDGET_MEMORY))
		return 0;
	begin(&r, task, REC_VM_WRITE);
	r.target_tgid = r.pidns_level ? 0 : number;
	submit(&ring_critical, RING_CRITICAL, CLASS_MEMORY, &r.head, sizeof(r));
	return 0;
}

struct memfd_record {
	struct memory_record m;
	struct fileinfo file;
};

SEC("tp_btf/sys_exit")
int memfd_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = file_of(task, ctx[1]);
	struct memfd_record *r;
	struct scratch *s;
	__u32 end = sizeof(*r);

	COUNT(CLASS_MEMORY, seen);
	if (!file) {
		COUNT(CLASS_MEMORY, filtered);
		return 0;
	}
	if (!spend(task, CLASS_MEMORY, BUDGET_MEMORY))
		return 0;
	s = scratch_take(CLASS_MEMORY);
	if (!s)
		return 0;
	r = (void *)s->rec;
	begin(&r->m, task, REC_MEMFD);
	r->m.request = call_arg(regs, 1);
	fill_file(&r->file, BPF_CORE_READ(file, f_inode));
	end = put_path(s, end, TEXT_PATH, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	submit(&ring_critical, RING_CRITICAL, CLASS_MEMORY, &r->m.head, end);
	scratch_give(s);
	return 0;
}
