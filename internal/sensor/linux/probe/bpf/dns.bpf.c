// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/* DNS over UDP: queries where they leave, in the context of the process that asks; answers where they arrive,
 * when they fit a query that was seen leaving. The message itself goes to the sensor, which parses it with
 * bounds. Fixed-size records from the ring itself: these hooks run in soft interrupts too, above a record that
 * another probe may be building. */
#include "record.h"
#include "self.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPPROTO_UDP 17
#define DNS_BYTES 1024
#define DNS_PORT 53

struct dns_record {
	struct head head;
	struct sockinfo sock;
	__u16 tag;
	__u16 len;
	__u8 message[DNS_BYTES];
};

/* Who waits for an answer. */
struct asked_key {
	__u16 port;
	__u16 id;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct asked_key);
	__type(value, __u64);
} asked SEC(".maps");

/* Addresses, ports and where the message lies of a UDP packet. */
struct datagram {
	struct sockinfo sock; /* as the sender sees it */
	unsigned char *message;
	__u32 len;
};

static __always_inline bool parse(struct sk_buff *skb, unsigned char *ip, struct datagram *d)
{
	__u8 b[48];
	__u16 proto = __builtin_bswap16(skb->protocol);
	unsigned char *udp;
	__u16 ports[4]; /* source, destination, length, checksum */
	__u32 linear;

	if (proto != ETH_P_IP && proto != ETH_P_IPV6)
		return false;
	/* May read past the packet, never past what the kernel may read: the helper fails instead. */
	if (bpf_probe_read_kernel(b, sizeof(b), ip))
		return false;
	if (proto == ETH_P_IP) {
		if (b[0] >> 4 != 4 || b[9] != IPPROTO_UDP)
			return false;
		udp = ip + (b[0] & 15) * 4;
		d->sock.family = 2;
		__builtin_memcpy(d->sock.laddr, b + 12, 4);
		__builtin_memcpy(d->sock.raddr, b + 16, 4);
	} else {
		/* A query with extension headers is no query that a resolver sends. */
		if (b[0] >> 4 != 6 || b[6] != IPPROTO_UDP)
			return false;
		udp = ip + 40;
		d->sock.family = 10;
		__builtin_memcpy(d->sock.laddr, b + 8, 16);
		__builtin_memcpy(d->sock.raddr, b + 24, 16);
	}
	if (bpf_probe_read_kernel(ports, sizeof(ports), udp))
		return false;
	d->sock.lport = __builtin_bswap16(ports[0]);
	d->sock.rport = __builtin_bswap16(ports[1]);
	d->sock.proto = IPPROTO_UDP;
	d->len = __builtin_bswap16(ports[2]);
	if (d->len < 8 + 12)
		return false;
	d->len -= 8;
	d->message = udp + 8;
	/* Only what lies in the linear part can be read. */
	linear = skb->len - skb->data_len;
	__u64 end = (__u64)skb->data + linear;
	if ((__u64)d->message >= end)
		return false;
	if (d->len > end - (__u64)d->message)
		d->len = end - (__u64)d->message;
	return true;
}

static __always_inline int send(struct datagram *d, __u16 type, bool with_task)
{
	struct dns_record *r;
	__u64 len = d->len;

	COUNT(CLASS_DNS, seen);
	__u64 seq = next_seq(RING_NETWORK);
	r = bpf_ringbuf_reserve(&ring_network, sizeof(*r), 0);
	if (!r) {
		COUNT(CLASS_DNS, ring_full);
		return 0;
	}
	__builtin_memset(&r->head, 0, sizeof(r->head));
	if (with_task) {
		fill_head(&r->head, type, bpf_get_current_task_btf());
	} else {
		r->head.type = type;
		r->head.version = RECORD_VERSION;
		r->head.boot_ns = bpf_ktime_get_boot_ns();
	}
	r->head.seq = seq;
	r->sock = d->sock;
	if (len > DNS_BYTES)
		len = DNS_BYTES;
	asm volatile("%0 &= 2047" : "+r"(len));
	if (len > DNS_BYTES)
		len = DNS_BYTES;
	r->tag = TEXT_DNS;
	r->len = len;
	/* Not by sizeof, which counts padding: what lies behind is left over from other records. */
	r->head.len = __builtin_offsetof(struct dns_record, message) + len;
	if (bpf_probe_read_kernel(r->message, len, d->message)) {
		bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
		COUNT(CLASS_DNS, filtered);
		return 0;
	}
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	COUNT(CLASS_DNS, submitted);
	knock(&ring_network, RING_NETWORK);
	return 0;
}

SEC("tp_btf/net_dev_queue")
int query_seen(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct datagram d;
	struct asked_key key = {};
	__u64 now;

	struct sock *sk = skb->sk;
	if (!sk) /* forwarded: no process of this host asks */
		return 0;
	if (sk->sk_protocol != IPPROTO_UDP) /* most packets end here */
		return 0;
	__builtin_memset(&d, 0, sizeof(d));
	if (!parse(skb, skb->head + skb->network_header, &d) || d.sock.rport != DNS_PORT)
		return 0;
	if (is_self(bpf_get_current_pid_tgid() >> 32))
		return 0;
	now = bpf_ktime_get_boot_ns();
	key.port = d.sock.lport;
	bpf_probe_read_kernel(&key.id, sizeof(key.id), d.message);
	bpf_map_update_elem(&asked, &key, &now, BPF_ANY);
	return send(&d, REC_DNS_QUERY, true);
}

SEC("tp_btf/netif_receive_skb")
int answer_seen(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct datagram d;
	struct asked_key key = {};

	__builtin_memset(&d, 0, sizeof(d));
	/* The network header is not set yet: the packet begins at data. */
	if (!parse(skb, skb->data, &d) || d.sock.lport != DNS_PORT)
		return 0;
	key.port = d.sock.rport;
	bpf_probe_read_kernel(&key.id, sizeof(key.id), d.message);
	if (!bpf_map_lookup_elem(&asked, &key))
		return 0;
	bpf_map_delete_elem(&asked, &key); /* one answer a query: a flood of forged ones ends here */
	return send(&d, REC_DNS_ANSWER, false);
}
