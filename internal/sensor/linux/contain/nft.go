package contain

import (
	"errors"
	"fmt"
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
type nftBarrier struct{ shape string }

// raiseNFT replaces the table in one transaction.
func raiseNFT(keep []allowed) (*nftBarrier, error) {
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
			for _, a := range keep {
				rule(append(match(a, one.out), accept)...)
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
	shape, err := shapeNFT()
	if err != nil {
		return nil, err
	}
	return &nftBarrier{shape}, nil
}

// shapeNFT writes down what the table is: its flags, its chains with their hooks and policies, and the handles of its
// rules, which no other rule ever gets.
func shapeNFT() (string, error) {
	c, err := nftables.New()
	if err != nil {
		return "", fmt.Errorf("open netlink: %w", err)
	}
	t, err := c.ListTableOfFamily(tableName, nftables.TableFamilyINet)
	if err != nil {
		return "", fmt.Errorf("read table %s: %w", tableName, err)
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return "", fmt.Errorf("read table %s: %w", tableName, err)
	}
	out := []any{t.Flags}
	for _, ch := range chains {
		if ch.Table.Name != tableName {
			continue
		}
		if ch.Hooknum == nil || ch.Priority == nil || ch.Policy == nil {
			return "", fmt.Errorf("read table %s: a chain without a hook", tableName)
		}
		out = append(out, ch.Name, *ch.Hooknum, *ch.Priority, *ch.Policy)
		rules, err := c.GetRules(t, ch)
		if err != nil {
			return "", fmt.Errorf("read table %s: %w", tableName, err)
		}
		for _, r := range rules {
			out = append(out, r.Handle)
		}
	}
	return fmt.Sprintln(out...), nil
}

// verify says whether somebody changed the table.
func (b *nftBarrier) verify() string {
	if shape, err := shapeNFT(); err != nil || shape != b.shape {
		return "the table " + tableName + " of nftables was changed or removed"
	}
	return ""
}

func name(s string) []byte {
	b := make([]byte, 16)
	copy(b, s)
	return b
}

func family(nftables.TableFamily) expr.Any { return &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1} }

func l4() expr.Any { return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1} }

func eq(b byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{b}} }

// match compares the other side's address, and its TCP port if one is named: the destination on the way out, the source
// on the way in.
func match(a allowed, out bool) []expr.Any {
	n := a.net
	proto, size, at := byte(unix.NFPROTO_IPV4), uint32(4), uint32(12)
	if !n.Addr().Is4() {
		proto, size, at = unix.NFPROTO_IPV6, 16, 8
	}
	port := uint32(0)
	if out {
		at += size
		port = 2
	}
	mask, addr := make([]byte, size), n.Addr().AsSlice()
	for b := range n.Bits() {
		mask[b/8] |= 0x80 >> (b % 8)
	}
	rule := []expr.Any{
		family(nftables.TableFamilyINet), eq(proto),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: at, Len: size},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: mask, Xor: make([]byte, size)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr},
	}
	if a.port == 0 {
		return rule
	}
	return append(rule, l4(), eq(unix.IPPROTO_TCP),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: port, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(a.port)})
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

// retire does nothing after another table; behind a barrier of another means it is gone with its name.
func (*nftBarrier) retire() error { return dropNFT() }
func (*nftBarrier) drop() error   { return dropNFT() }

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
