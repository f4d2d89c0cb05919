// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* TCP connections, from the states of the kernel's own sockets. Most transitions happen in a soft interrupt,
 * where the current task is a bystander; so who opened or took a connection is kept with the socket. */
#include "syscall.h"
#include "self.h"

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_CLOSE 7
#define TCP_LISTEN 10
#define IPPROTO_TCP 6
#define SOCK_DONE 1

struct net_record {
	struct head head;
	struct sockinfo sock;
	__u64 sent;
	__u64 received;
	__u32 initiated;
	__u32 error; /* of a connection that was not established */
};

struct owner {
	struct head head;
	__u32 initiated;
	__u32 told; /* that it was established */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct owner);
} owners SEC(".maps");

static __always_inline void send_state(struct net_record *r, __u16 type, struct sock *sk, int after)
{
	if (is_self(r->head.tgid))
		return;
	COUNT(CLASS_NETWORK, seen);
	if (!fill_sock(&r->sock, sk)) {
		COUNT(CLASS_NETWORK, filtered);
		return;
	}
	r->sock.state = after;
	if (type == REC_CONNECT && after == TCP_CLOSE)
		r->error = sk->sk_err ? sk->sk_err : 4; /* given up by the program itself: EINTR */
	if (type == REC_CLOSE) {
		struct tcp_sock *tcp = (void *)sk;
		r->sent = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans);
		r->received = BPF_CORE_READ(tcp, bytes_received);
		/* The other side's end takes a sequence number, which the kernel counts as a byte. */
		if (r->received && sk->__sk_common.skc_flags & 1 << SOCK_DONE)
			r->received--;
	}
	submit(&ring_network, RING_NETWORK, CLASS_NETWORK, &r->head, sizeof(*r));
}

/* settled tells how a connection that has an owner began or that it ended, once. */
static __always_inline bool settled(struct sock *sk, int before, int after)
{
	struct net_record r;
	struct owner *owner;
	__u64 key = (__u64)sk;
	__u16 type;

	if (before == TCP_SYN_SENT && (after == TCP_ESTABLISHED || after == TCP_CLOSE))
		type = REC_CONNECT;
	else if (after == TCP_CLOSE)
		type = REC_CLOSE;
	else
		return false;
	owner = bpf_map_lookup_elem(&owners, &key);
	if (!owner)
		return false; /* never accepted, older than the sensor, or told already */
	if (after == TCP_ESTABLISHED) {
		if (owner->told)
			return false;
		owner->told = 1;
	}
	__builtin_memset(&r, 0, sizeof(r));
	r.head = owner->head;
	r.head.type = type;
	r.head.boot_ns = bpf_ktime_get_boot_ns();
	r.initiated = owner->initiated;
	if (after == TCP_CLOSE)
		bpf_map_delete_elem(&owners, &key);
	send_state(&r, type, sk, after);
	return true;
}

SEC("tp_btf/inet_sock_set_state")
int state_seen(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int before = ctx[1], after = ctx[2];
	__u64 key = (__u64)sk;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (after == TCP_SYN_SENT) {
		struct owner mine;
		__builtin_memset(&mine, 0, sizeof(mine));
		fill_head(&mine.head, REC_CONNECT, bpf_get_current_task_btf());
		mine.initiated = 1;
		bpf_map_update_elem(&owners, &key, &mine, BPF_ANY);
	} else if (after == TCP_LISTEN) {
		struct net_record r;
		__builtin_memset(&r, 0, sizeof(r));
		fill_head(&r.head, REC_LISTEN, bpf_get_current_task_btf());
		send_state(&r, REC_LISTEN, sk, after);
	} else {
		settled(sk, before, after);
	}
	return 0;
}

/*
 * The kernel does not run a program that is running already on the same CPU, and a soft interrupt that ends one
 * connection may come while state_seen looks at another: it missed 1 of 1,500 ends under load. This one looks again,
 * after it. What the first has told it does not find, and the two cannot both be interrupted.
 */
SEC("tp_btf/inet_sock_set_state")
int state_again(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];

	if (sk->sk_protocol == IPPROTO_TCP && settled(sk, ctx[1], ctx[2]))
		COUNT(CLASS_NETWORK, rescued);
	return 0;
}

/* accepted tells that a process took a connection, and keeps its name for the end of that. */
static __always_inline int accepted(struct task_struct *task, struct file *file)
{
	struct owner mine;
	struct net_record r;
	struct sock *sk;
	__u64 key;

	if (!file)
		return 0;
	sk = sock_of(file);
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	COUNT(CLASS_NETWORK, seen);
	__builtin_memset(&r, 0, sizeof(r));
	if (!fill_sock(&r.sock, sk)) {
		COUNT(CLASS_NETWORK, filtered);
		return 0;
	}
	fill_head(&r.head, REC_ACCEPT, task);
	__builtin_memset(&mine, 0, sizeof(mine));
	mine.head = r.head;
	key = (__u64)sk;
	if (r.sock.state != TCP_CLOSE)
		bpf_map_update_elem(&owners, &key, &mine, BPF_ANY);
	submit(&ring_network, RING_NETWORK, CLASS_NETWORK, &r.head, sizeof(r));
	return 0;
}

/* socketcall(2) of 32-bit programs is many calls in one. */
enum accept_how { ACCEPT_PLAIN = 0, ACCEPT_MANY = 1 };
#define SOCKETCALL_ACCEPT 5
#define SOCKETCALL_ACCEPT4 18

SEC("tp_btf/sys_exit")
int accept_done(__u64 *ctx)
{
	void *regs = (void *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	volatile const struct call *call = call_of(regs);
	__u32 which;

	if (!call)
		return 0;
	if (call->how == ACCEPT_MANY) {
		which = call_arg(regs, 0);
		if (which != SOCKETCALL_ACCEPT && which != SOCKETCALL_ACCEPT4)
			return 0;
	}
	return accepted(task, file_of(task, ctx[1]));
}

#define URING_ACCEPT 13 /* uapi/linux/io_uring.h */

/* A request of an io_uring that takes one connection, into a descriptor. Those that take many tell no request. */
SEC("tp_btf/io_uring_complete")
int uring_accepted(__u64 *ctx)
{
	struct io_kiocb *req = (void *)ctx[1];
	struct task_struct *task = bpf_get_current_task_btf();
	struct io_accept *accept = (void *)req;

	if (!req || !bpf_core_field_exists(req->cqe.res) || BPF_CORE_READ(req, opcode) != URING_ACCEPT || is_self(task->tgid))
		return 0;
	if (BPF_CORE_READ(req, cqe.res) < 0 || (bpf_core_field_exists(accept->file_slot) && BPF_CORE_READ(accept, file_slot)))
		return 0;
	return accepted(task, file_of(task, BPF_CORE_READ(req, cqe.res)));
}
