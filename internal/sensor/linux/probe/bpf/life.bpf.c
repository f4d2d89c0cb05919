// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* Processes begin and end. Threads do not count: a process begins with its leader and ends with its last
 * thread. */
#include "record.h"
#include "self.h"

struct fork_record {
	struct head head; /* of the process that called fork */
	__u64 child_start;
	__u32 child_tgid;
	__u32 child_parent_tgid; /* differs from the caller under CLONE_PARENT */
	__u64 child_parent_start;
};

SEC("tp_btf/sched_process_fork")
int fork_seen(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct task_struct *child = (void *)ctx[1];
	struct task_struct *parent;
	struct fork_record r;

	/* Children of the sensor itself count: the canary is one. */
	if (child->pid != child->tgid)
		return 0;
	COUNT(CLASS_PROCESS, seen);
	__builtin_memset(&r, 0, sizeof(r));
	fill_head(&r.head, REC_FORK, task);
	parent = child->real_parent;
	r.child_start = child->start_boottime;
	r.child_tgid = child->tgid;
	r.child_parent_tgid = parent->tgid;
	r.child_parent_start = parent->group_leader->start_boottime;
	submit(&ring_critical, RING_CRITICAL, CLASS_PROCESS, &r.head, sizeof(r));
	return 0;
}

#define SIGNAL_GROUP_EXIT 4
#define PF_FORKNOEXEC 0x40

SEC("tp_btf/sched_process_exit")
int exit_seen(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct signal_struct *signal = task->signal;
	struct task_struct *leader = task->group_leader;
	struct exit_record r;

	/* The kernel has already counted this thread out: zero means that it was the last one. */
	if (signal->live.counter || is_self(task->tgid))
		return 0;
	COUNT(CLASS_PROCESS, seen);
	__builtin_memset(&r, 0, sizeof(r));
	fill_head(&r.head, REC_EXIT, task);
	r.code = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : task->exit_code;
	/* Not utime and stime: those are counted in ticks, and a short process has none. */
	r.cpu_ns = signal->sum_sched_runtime + task->se.sum_exec_runtime;
	if (leader != task)
		r.cpu_ns += leader->se.sum_exec_runtime;
	if (task->flags & PF_FORKNOEXEC) {
		/* A shell's own child that wrote into a pipe (echo x | sh): its files are still there. */
		struct file *in = file_of(task, 0), *out = file_of(task, 1);
		if (in)
			fill_end(&r.in, in, 0, false);
		if (out)
			fill_end(&r.out, out, 1, false);
	}
	submit(&ring_critical, RING_CRITICAL, CLASS_PROCESS, &r.head, sizeof(r));
	return 0;
}
