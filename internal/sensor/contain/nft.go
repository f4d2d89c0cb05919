package contain

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// tableName is the table of an isolated host; its presence is the isolation.
const tableName = "yagura_isolation"

// nftBarrier is a table that drops in the sensor's network namespace. It stays when the sensor ends and
// cannot end by itself: the next start takes it down when its time is over.
type nftBarrier struct{}

// raiseNFT replaces the table in one transaction.
func raiseNFT(nets []netip.Prefix) (*nftBarrier, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	t := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	c.AddTable(t) // so that deleting it cannot fail
	c.DelTable(t)
	t = c.AddTable(t)
	drop := nftables.ChainPolicyDrop
	first := nftables.ChainPriorityRef(-300)
	for _, one := range []struct {
		name string
		hook *nftables.ChainHook
		out  bool
		in   bool
	}{{"output", nftables.ChainHookOutput, true, false}, {"input", nftables.ChainHookInput, false, true}, {"forward", nftables.ChainHookForward, true, true}} {
		ch := c.AddChain(&nftables.Chain{Name: one.name, Table: t, Type: nftables.ChainTypeFilter, Hooknum: one.hook, Priority: first, Policy: &drop})
		rule := func(e ...expr.Any) { c.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: e}) }
		accept := &expr.Verdict{Kind: expr.VerdictAccept}
		if one.name != "forward" { // what is forwarded is never ours
			meta := expr.MetaKeyOIFNAME
			if one.in {
				meta = expr.MetaKeyIIFNAME
			}
			rule(&expr.Meta{Key: meta, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name("lo")}, accept)
			for _, n := range nets {
				rule(append(match(n, one.out), accept)...)
			}
			ports4, ports6 := [2]uint16{68, 67}, [2]uint16{546, 547}
			if one.in {
				ports4, ports6 = [2]uint16{67, 68}, [2]uint16{547, 546}
			}
			rule(append(dhcp(nftables.TableFamilyIPv4, ports4), accept)...)
			rule(append(dhcp(nftables.TableFamilyIPv6, ports6), accept)...)
			for kind := byte(133); kind <= 137; kind++ { // neighbour discovery
				rule(family(nftables.TableFamilyIPv6), eq(unix.NFPROTO_IPV6), l4(), eq(unix.IPPROTO_ICMPV6),
					&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1}, eq(kind), accept)
			}
		}
		rule(&expr.Counter{})
	}
	if err := c.Flush(); err != nil {
		return nil, fmt.Errorf("write table %s: %w", tableName, err)
	}
	return &nftBarrier{}, nil
}

func name(s string) []byte {
	b := make([]byte, 16)
	copy(b, s)
	return b
}

func family(nftables.TableFamily) expr.Any { return &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1} }

func l4() expr.Any { return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1} }

func eq(b byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{b}} }

// match compares the other side's address: the destination on the way out, the source on the way in.
func match(n netip.Prefix, out bool) []expr.Any {
	proto, size, at := byte(unix.NFPROTO_IPV4), uint32(4), uint32(12)
	if !n.Addr().Is4() {
		proto, size, at = unix.NFPROTO_IPV6, 16, 8
	}
	if out {
		at += size
	}
	mask, addr := make([]byte, size), n.Addr().AsSlice()
	for b := range n.Bits() {
		mask[b/8] |= 0x80 >> (b % 8)
	}
	return []expr.Any{
		family(nftables.TableFamilyINet), eq(proto),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: at, Len: size},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: mask, Xor: make([]byte, size)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr},
	}
}

func dhcp(f nftables.TableFamily, ports [2]uint16) []expr.Any {
	proto := byte(unix.NFPROTO_IPV4)
	if f == nftables.TableFamilyIPv6 {
		proto = unix.NFPROTO_IPV6
	}
	return []expr.Any{
		family(f), eq(proto), l4(), eq(unix.IPPROTO_UDP),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: append(binaryutil.BigEndian.PutUint16(ports[0]), binaryutil.BigEndian.PutUint16(ports[1])...)},
	}
}

func (*nftBarrier) pinned() bool { return true }
func (*nftBarrier) leave() error { return nil }
func (*nftBarrier) drop() error  { return dropNFT() }

func (*nftBarrier) denied() (uint64, error) {
	c, err := nftables.New()
	if err != nil {
		return 0, fmt.Errorf("open netlink: %w", err)
	}
	t := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	var sum uint64
	for _, chain := range []string{"output", "input", "forward"} {
		rules, err := c.GetRules(t, &nftables.Chain{Name: chain, Table: t})
		if err != nil {
			return 0, fmt.Errorf("read deny counter: %w", err)
		}
		for _, r := range rules {
			for _, e := range r.Exprs {
				if n, ok := e.(*expr.Counter); ok {
					sum += n.Packets
				}
			}
		}
	}
	return sum, nil
}

// dropNFT removes the table if it is there. A host without nf_tables has none.
func dropNFT() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil //nolint:nilerr // no nf_tables in this kernel, or no right to see it: then we never made one
	}
	for _, t := range tables {
		if t.Name == tableName {
			c.DelTable(t)
			if err := c.Flush(); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove table %s: %w", tableName, err)
			}
		}
	}
	return nil
}
