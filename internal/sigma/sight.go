package sigma

import (
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// Reasons why a rule can never fire on a fleet.
const (
	NoSensor    = "no sensor for the product"
	NoLogSource = "log source not collected"
	NoField     = "field not there"
	NoHash      = "hash not computed"
)

// Sight says whether a rule can ever fire.
type Sight struct {
	CanFire bool
	Reason  string   // one of the reasons above; empty when it can
	Missing []string // the product, the log source, the fields or the kinds of hash that are missing
}

// Sights says of every rule, in the order of Rules, whether it can fire on events of a fleet of these systems. A rule that
// reads a field which no sensor fills can still fire when another part of its condition is enough.
func (set *Ruleset) Sights(fleet ...event.OS) []Sight {
	scratch := set.Scratch()
	scratch.begin(stranger{}) // every field is absent
	out := make([]Sight, 0, len(set.rules))
	for _, r := range set.rules {
		out = append(out, r.sight(scratch, fleet))
	}
	return out
}

func (r *Rule) sight(absent *Scratch, fleet []event.OS) Sight {
	var systems []event.OS
	for _, os := range fleet {
		if r.Source.Product == "" || r.Source.Product == os.String() {
			systems = append(systems, os)
		}
	}
	if len(systems) == 0 {
		return Sight{Reason: NoSensor, Missing: []string{r.Source.Product}}
	}
	s := schema()
	missing := map[string]bool{}
	sources, hash := 0, false
	for _, os := range systems {
		for k, l := range s.source[os] {
			if !slices.ContainsFunc(l, r.Source.covers) {
				continue
			}
			sources++
			w := &world{scratch: absent, has: func(f string) bool { return s.has(k, os, f) }}
			if yes, _ := r.cond.may(w); yes {
				return Sight{CanFire: true}
			}
			hash = hash || w.hash
			for _, f := range r.Fields {
				if !w.has(f) {
					missing[f] = true
				}
			}
		}
	}
	switch {
	case sources == 0:
		return Sight{Reason: NoLogSource, Missing: []string{r.Source.String()}}
	case len(missing) == 0 && hash:
		return Sight{Reason: NoHash, Missing: []string{"only SHA256 is computed"}}
	case len(missing) == 0:
		return Sight{Reason: NoField, Missing: []string{"the condition contradicts itself"}}
	}
	out := Sight{Reason: NoField}
	for f := range missing {
		out.Missing = append(out.Missing, f)
	}
	slices.Sort(out.Missing)
	return out
}

// has reports whether events of a kind can carry a field on an OS.
func (s *eventSchema) has(k event.Kind, os event.OS, field string) bool {
	if _, ok := s.kinds[k][field]; !ok {
		return false
	}
	only, ok := s.os[field]
	return !ok || only&registry.OS(os) != 0
}

// world is what a kind of event can hold.
type world struct {
	scratch *Scratch // at a record without any field
	has     func(field string) bool
	hash    bool // an item was found that asks for a hash we do not compute
}

func (n andNode) may(w *world) (yes, no bool) {
	yes = true
	for _, k := range n.kids {
		y, f := k.may(w)
		yes, no = yes && y, no || f
	}
	return yes, no
}

func (n orNode) may(w *world) (yes, no bool) {
	no = true
	for _, k := range n.kids {
		y, f := k.may(w)
		yes, no = yes || y, no && f
	}
	return yes, no
}

func (n notNode) may(w *world) (yes, no bool) {
	yes, no = n.kid.may(w)
	return no, yes
}

func (n *item) may(w *world) (yes, no bool) {
	if n.slot != keywords && !w.has(n.field) {
		known := n.eval(w.scratch)
		return known, !known
	}
	if n.other {
		return true, true
	}
	can := n.all
	for _, g := range n.group {
		one := slices.ContainsFunc(g, func(a atom) bool { return n.mayHold(a, w) })
		if one != n.all {
			can = one
			break
		}
	}
	return can, true
}

func (n *item) mayHold(a atom, w *world) bool {
	switch a := a.(type) {
	case refAtom:
		return w.has(w.scratch.set.fields[a.slot])
	case textAtom:
		if n.field == "Hashes" && !hashable(literalsOf(a.m)) {
			w.hash = true
			return false
		}
	case setAtom:
		if n.field == "Hashes" {
			for v := range a {
				if hashable([]string{v}) {
					return true
				}
			}
			w.hash = true
			return false
		}
	}
	return true
}

// hashable reports whether "SHA256=" and 64 hex digits can hold all these folded texts. A bare MD5, import hash or SHA-1
// is hex as well, but of its own length.
func hashable(texts []string) bool {
	for _, t := range texts {
		name, hex, named := strings.Cut(t, "=")
		if !named {
			name, hex = "", t
		}
		for i := range len(hex) {
			if c := hex[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
		ends := strings.HasSuffix("sha256", name) //nolint:gocritic // a literal may begin inside the name
		if !ends || len(hex) > 64 || !named && (len(hex) == 32 || len(hex) == 40) {
			return false
		}
	}
	return true
}
