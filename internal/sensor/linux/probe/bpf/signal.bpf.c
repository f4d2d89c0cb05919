// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* Signals that stop or end the sensor, and who sent them: what the sensor itself is told by the kernel comes without
 * a name. SIGKILL is seen too, and nobody is left to tell of it. */
#include "record.h"
#include "self.h"

/* Beside the types of record.h, of which it is one: there it would change every object for nothing. */
enum { REC_SIGNAL = 5 };

struct signal_record {
	struct head head; /* of the sender */
	__u32 signal;
	__u32 pad;
};

#define BIT(n) (1u << (n))
/* HUP INT QUIT ABRT KILL TERM CONT STOP TSTP */
#define TOLD (BIT(1) | BIT(2) | BIT(3) | BIT(6) | BIT(9) | BIT(15) | BIT(18) | BIT(19) | BIT(20))

SEC("tp_btf/signal_generate")
int signal_seen(__u64 *ctx)
{
	struct task_struct *target = (void *)ctx[2];
	struct task_struct *task;
	struct signal_record r;
	__u32 sig = ctx[0];

	/* Its own threads wake one another by signals all the time: the cheap question first. */
	if (sig > 31 || !(BIT(sig & 31) & TOLD) || !is_self(target->tgid))
		return 0;
	task = bpf_get_current_task_btf();
	if (task->tgid == target->tgid)
		return 0;
	COUNT(CLASS_PROCESS, seen);
	__builtin_memset(&r, 0, sizeof(r));
	fill_head(&r.head, REC_SIGNAL, task);
	r.signal = sig;
	submit(&ring_critical, RING_CRITICAL, CLASS_PROCESS, &r.head, sizeof(r));
	return 0;
}
