package contain

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Frames that are sent through a packet socket (AF_PACKET) reach no program of a cgroup and no hook of nftables'
// family inet: they pass an isolation (TestFramesPassAndAreTold measures it). They cannot be held back, so who opens such
// a socket while the host is isolated is told.

// packetSockets gives the packet sockets of this network namespace, by inode.
func packetSockets() map[uint64]bool {
	f, err := os.Open("/proc/net/packet")
	if err != nil {
		return nil // this kernel has none
	}
	defer f.Close()
	all := map[uint64]bool{}
	for sc := bufio.NewScanner(f); sc.Scan() && len(all) < maxPacketSockets; {
		cols := strings.Fields(sc.Text())
		if len(cols) < 9 {
			continue
		}
		if inode, err := strconv.ParseUint(cols[8], 10, 64); err == nil {
			all[inode] = true
		}
	}
	return all
}

const maxPacketSockets = 4096

// holders names who has the sockets of these inodes open.
func holders(inodes map[uint64]bool) (out []string) {
	left := len(inodes)
	pids, err := processes()
	if err != nil || left == 0 {
		return nil
	}
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd"
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			to, err := os.Readlink(dir + "/" + fd.Name())
			if err != nil || !strings.HasPrefix(to, "socket:[") {
				continue
			}
			inode, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]"), 10, 64)
			if err != nil || !inodes[inode] {
				continue
			}
			comm, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
			out = append(out, fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(comm)), pid))
			break
		}
		if len(out) >= left || len(out) >= maxHolders {
			break
		}
	}
	return out
}

const maxHolders = 16

// packets tells of packet sockets that were opened since the last look. mu is held.
func (i *Isolator) packets(ctx context.Context) {
	now := packetSockets()
	fresh := map[uint64]bool{}
	for inode := range now {
		if !i.frames[inode] {
			fresh[inode] = true
		}
	}
	i.frames = now
	if len(fresh) == 0 {
		return
	}
	who := strings.Join(holders(fresh), ", ")
	if who == "" {
		who = "a process that ended since"
	}
	i.tell(ctx, "packet socket", "open", who+" opened a packet socket on the isolated host: frames sent through one pass the isolation")
}
