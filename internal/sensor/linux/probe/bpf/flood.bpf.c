// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* Writes exit records of the caller as fast as it is asked to: how many the ring of critical records takes
 * before one is lost is measured with this, since no machine ends that many processes. For benchmarks only;
 * the sensor never loads it. */
#include "record.h"

#define FLOOD_MAX 1024

/* first is the exit code of the first record, the others count on; both come in as the program's context. */
SEC("raw_tp")
int flood(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 records = ctx[0], first = ctx[1];

	for (__u32 i = 0; i < FLOOD_MAX; i++) {
		LOOP_HEAD();
		struct exit_record r;
		if (i >= records)
			break;
		COUNT(CLASS_PROCESS, seen);
		__builtin_memset(&r, 0, sizeof(r));
		fill_head(&r.head, REC_EXIT, task);
		r.code = ((first + i) & 0xff) << 8;
		submit(&ring_critical, RING_CRITICAL, CLASS_PROCESS, &r.head, sizeof(r));
	}
	return 0;
}
