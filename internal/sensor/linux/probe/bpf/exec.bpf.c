// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* A process started a new image. Everything is read after the point of no return: the arguments as they
 * lie on the new stack, the image as the file that was opened, so nothing can be changed under our eyes. */
#include "process.h"
#include "self.h"

SEC("tp_btf/sched_process_exec")
int exec_seen(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct linux_binprm *bprm = (void *)ctx[2];
	struct scratch *s;

	if (is_self(task->tgid))
		return 0;
	COUNT(CLASS_PROCESS, seen);
	s = scratch_take(CLASS_PROCESS);
	if (!s)
		return 0;
	__u32 end = put_process(s, REC_EXEC, task, bprm->file);
	if (bprm->interp != bprm->filename)
		end = put_kernel(s, end, TEXT_SCRIPT, bprm->filename);
	else
		end = put_kernel(s, end, TEXT_ASKED, bprm->filename);
	end = put_ends(s, end, task);
	end = put_argv(s, end, task);
	submit(&ring_critical, RING_CRITICAL, CLASS_PROCESS, (void *)s->rec, end);
	scratch_give(s);
	return 0;
}
