package notify

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

var errAddress = errors.New("address refused")

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

var (
	// receivers6 is where an IPv6 receiver may stand: global unicast and unique local addresses. All else is special.
	receivers6 = prefixes("2000::/3", "fc00::/7")

	// noReceivers is what stands in ordinary ranges and is none: tunnels that carry an IPv4 address of anybody's choice,
	// test and special networks, and the metadata services of clouds outside of link-local.
	noReceivers = prefixes(
		"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23",                              // Teredo (2001::/32), ORCHID and other special use
		"2002::/16",                              // 6to4
		"100.100.100.200/32", "168.63.129.16/32", // Alibaba, Azure
		"fd00:ec2::/32", "fd00:c1::/32", "fd20:ce::/32", // Amazon, Oracle, Google
	)

	// nat64 carries an IPv4 address in its last 32 bits: RFC 6052, for addresses of the whole world only. Its local
	// sibling 64:ff9b:1::/48 is refused like every other address outside of receivers6: where the IPv4 address stands in it
	// is known to the network alone.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")

	carriers = prefixes("100.64.0.0/10") // of providers' NAT: not of the whole world
)

// dialable judges the address that is about to be dialled, after DNS: there is no moment left for a name to change.
func dialable(address string, loopback bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, errAddress)
	}
	ip := ap.Addr().WithZone("").Unmap()
	if here(ip) {
		if loopback {
			return nil
		}
		return fmt.Errorf("%s is this machine (set allow_loopback: true if that is meant): %w", ip, errAddress)
	}
	if nat64.Contains(ip) {
		b := ip.As16()
		inner := netip.AddrFrom4([4]byte(b[12:]))
		if here(inner) || inner.IsPrivate() || isAmong(inner, noReceivers) || isAmong(inner, carriers) {
			return fmt.Errorf("%s (%s through NAT64) is no address of a receiver: %w", ip, inner, errAddress)
		}
		return nil
	}
	if isAmong(ip, noReceivers) || ip.Is6() && !isAmong(ip, receivers6) {
		return fmt.Errorf("%s is no address of a receiver: %w", ip, errAddress)
	}
	return nil
}

func isAmong(ip netip.Addr, all []netip.Prefix) bool {
	for _, p := range all {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// here says whether an address is of this machine: the loopback and those of its interfaces, behind which a service may
// listen that trusts its neighbours.
func here(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false // nothing is known of them; the rest is judged
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if own, ok := netip.AddrFromSlice(n.IP); ok && own.Unmap() == ip {
				return true
			}
		}
	}
	return false
}
