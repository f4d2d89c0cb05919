// Package contain acts on this host: it cuts the host off from the network but for its server, and ends,
// stops or continues processes. Every act proves its effect with what was measured afterwards. It does not
// ask who ordered it: the agent has checked the command.
//
// Isolation is done by BPF programs on the root of cgroup2, which see the packets of every process in every
// network namespace; where that is not possible by nftables in the sensor's network namespace. It ends by
// itself, and outlives the sensor: the programs are pinned where a bpffs is mounted, and a state file lets
// the next start take up or put back what is due.
package contain
