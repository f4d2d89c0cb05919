// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* The one program that every system call pays for: a table look-up, and for the few that matter a jump. Calls
 * that failed changed nothing and are not looked at. */
#include "syscall.h"
#include "self.h"

SEC("tp_btf/sys_exit")
int call_done(__u64 *ctx)
{
	long ret = ctx[1];
	volatile const struct call *call = call_of((void *)ctx[0]);
	struct task_struct *task;

	if (!call || !call->handler)
		return 0;
	task = bpf_get_current_task_btf();
	/* Addresses of mmap are large positive numbers; errors are the last 4095 negative ones. */
	if (ret < 0 && ret >= -4095) {
		/* What was noted for this call must not speak for the next one. */
		if (by_path(call))
			witness_of(task, call->handler);
		return 0;
	}
	if (is_self(task->tgid))
		return 0;
	bpf_tail_call(ctx, &handlers, call->handler);
	return 0;
}
