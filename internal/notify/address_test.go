package notify

import (
	"net"
	"net/netip"
	"testing"
)

// fd00:ec2::254 and 64:ff9b::a9fe:a9fe, the metadata service by NAT64, were dialled.
func TestAddressesThatAreDialled(t *testing.T) {
	for address, want := range map[string]bool{
		"203.0.113.7:443": true, "10.1.2.3:443": true, "192.168.1.10:443": true, "172.16.5.5:443": true, "100.64.1.1:443": true,
		"[2606:4700::1]:443": true, "[fd12:3456::1]:443": true, "[64:ff9b::8.8.8.8]:443": true, "[::ffff:203.0.113.7]:443": true,

		"127.0.0.1:443": false, "127.9.9.9:443": false, "[::1]:443": false, "[::ffff:127.0.0.1]:443": false, "[::ffff:127.9.9.9]:443": false,
		"0.0.0.0:443": false, "0.1.2.3:443": false, "[::]:443": false, "[::ffff:0.0.0.0]:443": false,
		"169.254.169.254:80": false, "[::ffff:169.254.169.254]:80": false, "[fe80::a9fe:a9fe%eth0]:80": false, "[fe80::1]:80": false,
		"[fd00:ec2::254]:80": false, "[fd00:ec2::23]:80": false, "[fd20:ce::254]:80": false, "[fd00:c1::a9fe:a9fe]:80": false,
		"100.100.100.200:80": false, "168.63.129.16:80": false, "192.0.0.192:80": false,
		"[64:ff9b::169.254.169.254]:80": false, "[64:ff9b::127.0.0.1]:80": false, "[64:ff9b::10.0.0.1]:80": false,
		"[64:ff9b::100.100.100.200]:80": false, "[64:ff9b::0.0.0.0]:80": false, "[64:ff9b::100.64.0.1]:80": false,
		"[64:ff9b:1::169.254.169.254]:80": false, "[64:ff9b:1:a9fe:a9:fe00::]:80": false,
		"[2002:a9fe:a9fe::1]:80": false, "[2002:7f00:1::]:80": false, "[2002:0a00:0001::1]:80": false,
		"[2001:0:a9fe:a9fe::1]:80": false, "[2001:0:1:2:3:4:5601:5601]:80": false,
		"[::169.254.169.254]:80": false, "[::7f00:1]:80": false, "[::ffff:0:169.254.169.254]:80": false,
		"[fec0::1]:80": false, "[100::1]:80": false, "[4000::1]:80": false,
		"224.0.0.1:80": false, "239.1.2.3:80": false, "240.0.0.1:80": false, "255.255.255.255:80": false, "[ff02::1]:80": false,
		"not an address": false, "localhost:80": false,
	} {
		if err := dialable(address, false); (err == nil) != want {
			t.Errorf("dialable(%s) = %v; want dialled: %t", address, err, want)
		}
	}
	for address, want := range map[string]bool{
		"0.0.0.0:80": false, "[::]:80": false, "127.0.0.1:443": true, "[::1]:443": true, "[::ffff:127.0.0.1]:443": true,
		"169.254.169.254:80": false, "[64:ff9b::127.0.0.1]:80": false, "[fd00:ec2::254]:80": false, "[2002:7f00:1::]:80": false,
	} {
		if err := dialable(address, true); (err == nil) != want {
			t.Errorf("with allow_loopback: dialable(%s) = %v; want dialled: %t", address, err, want)
		}
	}
}

// A service that trusts its neighbours listens on the machine's own addresses too.
func TestOwnAddressesAreThisMachine(t *testing.T) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP)
		at := netip.AddrPortFrom(ip, 80).String()
		if dialable(at, false) == nil {
			t.Errorf("dialable(%s), an address of this machine, was taken", at)
		}
		if err := dialable(at, true); err != nil {
			t.Errorf("with allow_loopback: dialable(%s) = %v", at, err)
		}
	}
}
