package incident

import (
	"net/netip"

	"github.com/yagura-edr/yagura/internal/event"
)

func (b *builder) where() []finding {
	var out []finding
	acts := b.acts()
	for _, a := range b.hosts() {
		n, firstFact := 0, fact{}
		for _, p := range b.members() {
			if p.host == a {
				n++
			}
		}
		for _, x := range acts {
			if x.id.Host == a.id {
				firstFact = x.fact
				break
			}
		}
		if !firstFact.known() {
			continue
		}
		name := b.hostName(a)
		if n == 0 {
			out = append(out, observation("where.host", about{"host": text(name), "at": at(firstFact.time)}, firstFact))
			continue
		}
		out = append(out, observation("where.host-processes", about{"host": text(name), "n": count(n), "at": at(firstFact.time)}, firstFact))
		if c := b.ownAddress(a); c != nil {
			own := words{En: "Its"}
			if b.many {
				own = words{En: name + "'s", Ja: name + " の "}
			}
			out = append(out, observation("where.own-address", about{"own": own, "at": at(c.time), "address": text(c.local.String()), "place": words(networkPlace(c.local.Addr()))}, c.fact))
		}
	}
	seen := map[string]bool{}
	for _, p := range b.members() {
		for _, c := range p.did().conns {
			k := c.remote.String()
			if seen[k] || !c.known() || !c.remote.IsValid() || c.remote.Port() == 53 || c.remote.Port() == 0 || len(seen) >= 12 || !b.acted(p) {
				continue
			}
			seen[k] = true
			to := k
			if c.name != "" {
				to = c.name + " (" + k + ")"
			}
			out = append(out, observation("where.connected", about{"who": who{p}, "to": text(to), "place": words(b.place(c.remote.Addr())), "at": at(c.time)}, c.fact))
		}
	}
	if len(out) == 0 {
		return []finding{unknown("where.unknown")}
	}
	return out
}

func (b *builder) ownAddress(a *activity) *conn {
	for _, p := range b.members() {
		if p.host != a {
			continue
		}
		for _, list := range [][]conn{p.did().conns, p.did().accepts} {
			for i := range list {
				if ad := list[i].local.Addr(); list[i].known() && ad.IsValid() && !ad.IsLoopback() && !ad.IsUnspecified() {
					return &list[i]
				}
			}
		}
	}
	return nil
}

func networkPlace(a netip.Addr) Said {
	a = a.Unmap()
	switch {
	case a.IsLoopback():
		return said("the host itself", "ホスト自身")
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return said("private network", "プライベートネットワーク")
	}
	return said("public network", "公開ネットワーク")
}

// hostAt gives the name of the host that has the address, "" when none of ours has, or two have (address translation).
func (b *builder) hostAt(ad netip.Addr) string {
	ad = ad.Unmap()
	if !ad.IsValid() || ad.IsLoopback() || ad.IsUnspecified() {
		return ""
	}
	var at event.HostID
	n := 0
	add := func(h event.HostID) {
		if n == 0 || at != h {
			at = h
			n++
		}
	}
	for _, h := range b.c.Addresses[ad] {
		add(h)
	}
	for _, a := range b.g.owners[ad] {
		add(a.id)
	}
	if n != 1 {
		return ""
	}
	if name := b.c.Names[at]; name != "" {
		return name
	}
	if a := b.g.hosts[at]; a != nil {
		return b.hostName(a)
	}
	return at.String()
}

// address writes an address with the host of ours that has it.
func (b *builder) address(ap netip.AddrPort) string {
	ap = bare(ap)
	if name := b.hostAt(ap.Addr()); name != "" {
		return ap.String() + " (" + name + ")"
	}
	return ap.String()
}

// place says where an address is.
func (b *builder) place(ad netip.Addr) Said {
	if name := b.hostAt(ad); name != "" {
		return said("host "+name, "ホスト "+name)
	}
	return networkPlace(ad)
}
