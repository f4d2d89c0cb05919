// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* How a whole process is written down: by the exec probe and by the snapshot of running processes. */
#ifndef YAGURA_PROCESS_H
#define YAGURA_PROCESS_H

#include "record.h"

struct process_record {
	struct head head;
	__u64 caps;
	__u32 loginuid;
	__u32 sessionid;
	__u32 pidns_level; /* 0: the first pid namespace */
	__u32 kernel_thread;
	struct fileinfo image;
	struct sockinfo stdin; /* family 0 when descriptor 0 is no internet socket */
};

/* put_process writes the fixed part, image path, working directory, terminal and cgroup. */
static __always_inline __u32 put_process(struct scratch *s, __u16 type, struct task_struct *task, struct file *image)
{
	struct process_record *r = (void *)s->rec;
	const struct cred *cred = task->real_cred;
	struct fs_struct *fs = task->fs;
	struct file *in;
	struct sock *sk;
	__u32 end = sizeof(*r);

	fill_head(&r->head, type, task);
	bpf_core_read(&r->caps, sizeof(r->caps), &cred->cap_effective);
	r->loginuid = -1;
	r->sessionid = -1;
	if (bpf_core_field_exists(task->loginuid)) {
		r->loginuid = task->loginuid.val;
		r->sessionid = task->sessionid;
	}
	r->pidns_level = 0;
	if (task->nsproxy)
		r->pidns_level = task->nsproxy->pid_ns_for_children->level;
	r->kernel_thread = !task->mm;
	__builtin_memset(&r->image, 0, sizeof(r->image));
	__builtin_memset(&r->stdin, 0, sizeof(r->stdin));
	in = file_of(task, 0);
	if (in) {
		sk = sock_of(in);
		if (sk && !fill_sock(&r->stdin, sk))
			r->stdin.family = 0;
	}
	if (image) {
		fill_file(&r->image, image->f_inode);
		end = put_path(s, end, TEXT_PATH, BPF_CORE_READ(image, f_path.dentry), BPF_CORE_READ(image, f_path.mnt));
	}
	if (fs)
		end = put_path(s, end, TEXT_CWD, BPF_CORE_READ(fs, pwd.dentry), BPF_CORE_READ(fs, pwd.mnt));
	struct tty_struct *tty = task->signal->tty;
	if (tty)
		end = put_kernel(s, end, TEXT_TTY, (void *)tty + bpf_core_field_offset(struct tty_struct, name));
	return put_cgroup(s, end, task);
}

/* put_argv appends the arguments of the current task from its stack. */
static __always_inline __u32 put_argv(struct scratch *s, __u32 end, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct head *h = (void *)s->rec;
	if (!mm)
		return end;
	__u64 from = mm->arg_start;
	__u64 len = mm->arg_end - from;
	__u64 at = end + 4;
	if (len >= ARGV_BYTES) {
		len = ARGV_BYTES - 1;
		h->flags |= HEAD_ARGV_CUT;
	}
	asm volatile("%0 &= 16383" : "+r"(at));
	asm volatile("%0 &= 8191" : "+r"(len));
	if (bpf_probe_read_user(&s->rec[at], len, (void *)from)) {
		h->flags |= HEAD_UNREADABLE;
		return end;
	}
	text_head(s, end, TEXT_ARGV, len);
	return end + 4 + len;
}

#endif
