// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//go:build ignore

/*
 * Isolation: packets of the processes below the attached cgroup pass only to and from allowed addresses, of the
 * server to and from its TCP port alone. Passes as well: loopback, DHCP, and the neighbour discovery without which
 * IPv6 reaches nobody. DNS does not: it is a way out. The end of the isolation is kept here, so that it comes also
 * when no sensor runs. All that decides is frozen before the programs are attached: no program and no system call
 * writes it any more, another isolation is another set of tables.
 */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;

/* uapi/linux/bpf.h, the part in use; the order of fields is the kernel's. */
enum {
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_F_NO_PREALLOC = 1,
	BPF_F_RDONLY_PROG = 1 << 7,
};
struct __sk_buff {
	__u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	__u32 ingress_ifindex, ifindex;
};

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "GPL";

#define LOOPBACK 1 /* its index in every network namespace */
#define TCP 6
#define UDP 17
#define ICMP6 58

struct key4 {
	__u32 bits;
	__u8 addr[4];
};
struct key6 {
	__u32 bits;
	__u8 addr[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct key4);
	__type(value, __u32); /* port of the other side, TCP; 0: any, and any protocol */
} allow4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct key6);
	__type(value, __u32); /* port of the other side, TCP; 0: any, and any protocol */
} allow6 SEC(".maps");

/* until: ns since boot, suspend included; from then on all passes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} until SEC(".maps");

/* counts: 0 passed, 1 denied out, 2 denied in. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline int verdict(int pass, __u32 way)
{
	__u32 i = pass ? 0 : way;
	__u64 *n = bpf_map_lookup_elem(&counts, &i);

	if (n)
		(*n)++;
	return pass;
}

static __always_inline int dhcp(__be16 from, __be16 to, __u16 server, __u16 client)
{
	__u16 f = bpf_ntohs(from), t = bpf_ntohs(to);

	return (f == client && t == server) || (f == server && t == client);
}

/* at says whether the other side's port is the one that an allowed address is allowed at. */
static __always_inline int at(__u32 want, __be16 *port, int out)
{
	return bpf_ntohs(out ? port[1] : port[0]) == want;
}

static __always_inline int pass4(struct __sk_buff *skb, int out)
{
	struct key4 k = {.bits = 32};
	__u8 ihl, proto;
	__be16 frag, port[2];
	__u32 *want;

	if (bpf_skb_load_bytes(skb, out ? 16 : 12, k.addr, 4))
		return 0;
	want = bpf_map_lookup_elem(&allow4, &k);
	if (k.addr[0] == 127 || (want && !*want))
		return 1;
	if (bpf_skb_load_bytes(skb, 9, &proto, 1) || (proto != UDP && (proto != TCP || !want)))
		return 0;
	if (bpf_skb_load_bytes(skb, 6, &frag, 2) || (frag & bpf_htons(0x1fff)))
		return 0; /* a later fragment has no ports */
	if (bpf_skb_load_bytes(skb, 0, &ihl, 1) || bpf_skb_load_bytes(skb, (ihl & 15) * 4, port, 4))
		return 0;
	if (proto == TCP)
		return want && at(*want, port, out);
	return dhcp(port[0], port[1], 67, 68);
}

static __always_inline int pass6(struct __sk_buff *skb, int out)
{
	struct key6 k = {.bits = 128};
	__u8 next, type;
	__be16 port[2];
	__u32 *want;

	if (bpf_skb_load_bytes(skb, out ? 24 : 8, k.addr, 16))
		return 0;
	want = bpf_map_lookup_elem(&allow6, &k);
	if (want && !*want)
		return 1;
	if (bpf_skb_load_bytes(skb, 6, &next, 1))
		return 0;
	if (next == TCP)
		return want && !bpf_skb_load_bytes(skb, 40, port, 4) && at(*want, port, out);
	if (next == ICMP6)
		return !bpf_skb_load_bytes(skb, 40, &type, 1) && type >= 133 && type <= 137;
	if (next == UDP)
		return !bpf_skb_load_bytes(skb, 40, port, 4) && dhcp(port[0], port[1], 547, 546);
	return 0;
}

static __always_inline int judge(struct __sk_buff *skb, int out)
{
	__u32 zero = 0;
	__u64 *end = bpf_map_lookup_elem(&until, &zero);
	__u32 way = out ? 1 : 2;

	if (!end || bpf_ktime_get_boot_ns() >= *end || skb->ifindex == LOOPBACK)
		return verdict(1, way);
	if (skb->protocol == bpf_htons(0x0800))
		return verdict(pass4(skb, out), way);
	if (skb->protocol == bpf_htons(0x86dd))
		return verdict(pass6(skb, out), way);
	return verdict(0, way);
}

SEC("cgroup_skb/egress")
int isolate_out(struct __sk_buff *skb)
{
	return judge(skb, 1);
}

SEC("cgroup_skb/ingress")
int isolate_in(struct __sk_buff *skb)
{
	return judge(skb, 0);
}
