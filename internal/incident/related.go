package incident

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

const (
	sameUserWithin    = 4 * time.Hour
	sameAddressWithin = 24 * time.Hour
	maxRelated        = 10
)

// relatedTo names other incidents that share an address, or the host and account, with this one: a person
// may join them, the builder does not.
func (f *floor) relatedTo(st *story, b *builder) []Related {
	st.outside = map[string]event.ID{}
	for _, p := range b.members() {
		for _, c := range p.did().conns {
			if ad := c.remote.Addr().Unmap(); ad.IsValid() && !ad.IsLoopback() && c.remote.Port() != 53 && len(st.outside) < maxFacts {
				st.outside[ad.String()] = c.id
			}
		}
	}
	var others []*story
	for _, o := range f.open {
		if o != st && o.saved {
			others = append(others, o)
		}
	}
	sort.Slice(others, func(i, j int) bool { return others[i].serial > others[j].serial })
	var out []Related
	for _, o := range others {
		if len(out) >= maxRelated {
			break
		}
		if r, ok := st.shares(o); ok {
			out = append(out, r)
		}
	}
	return out
}

// telling says that two acts of the account have more in common than any two acts on the host: everything may run as
// root.
func telling(user string) bool {
	return !everyone[user]
}

func (st *story) shares(o *story) (Related, bool) {
	apart := time.Duration(max(st.row.First-o.row.Last, o.row.First-st.row.Last, 0)) * time.Microsecond
	if apart < sameAddressWithin {
		for ad, id := range st.outside {
			if other, ok := o.outside[ad]; ok {
				return Related{Incident: o.row.ID.String(), EventIDs: []string{id.String(), other.String()}, Reason: Said{
					En: fmt.Sprintf("both reached the address %s within 24 h", ad), Ja: fmt.Sprintf("24 時間以内に同じアドレス %s へ接続している", ad),
				}}, true
			}
		}
	}
	if apart < sameUserWithin && telling(st.row.User) && st.row.User == o.row.User && len(st.dets) > 0 && len(o.dets) > 0 {
		if slices.ContainsFunc(st.row.Hosts, o.on) {
			return Related{Incident: o.row.ID.String(), EventIDs: []string{st.dets[0].Event.ID.String(), o.dets[0].Event.ID.String()}, Reason: Said{
				En: fmt.Sprintf("the same account (%s) on the same host within 4 h", st.row.User), Ja: fmt.Sprintf("4 時間以内に同じホストの同じアカウント（%s）で起きている", st.row.User),
			}}, true
		}
	}
	return Related{}, false
}
