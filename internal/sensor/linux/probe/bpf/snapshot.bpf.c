// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* Every process that already runs, written to the reader of the iterator. Its scratch is its own: a reader
 * may be preempted in the middle of a record. */
#include "process.h"

SEC("iter/task")
int snapshot(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct seq_file *seq = ctx->meta->seq;
	struct mm_struct *mm;
	struct file *image = 0;
	struct scratch *s;
	__u32 zero = 0;

	if (!task || task->pid != task->tgid)
		return 0;
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s)
		return 0;
	mm = task->mm;
	if (mm)
		image = mm->exe_file;
	__u64 end = put_process(s, REC_TASK, task, image);
	struct head *h = (void *)s->rec;
	/* Who reads, as the first pid namespace numbers it: the sensor learns its own number here. */
	h->cgid = bpf_get_current_pid_tgid() >> 32;
	h->len = end;
	asm volatile("%0 &= 32767" : "+r"(end));
	if (end > SCRATCH_REC)
		return 0;
	bpf_seq_write(seq, s->rec, end);
	return 0;
}
