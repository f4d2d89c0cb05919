package sigma

// asked names, for each Sigma field that holds an executable, the field with the path the kernel was asked to run, when
// that is another one: /usr/bin/nc for nc.openbsd, a script for its interpreter. Rules name programs as people do, so
// both count. But whoever starts a program chooses that name, by a link of his own, so it may only ever add a match:
// it counts where the field is asked for, and not below a "not", where a filter would let him pass (adr/0018).
var asked = map[string]string{
	"Image": "actor_invoked", "SourceImage": "actor_invoked", "ParentImage": "parent_invoked", "TargetImage": "target_invoked",
}

// sides is a part of a rule as it is judged where it has to hold, and as it is judged below a "not". They are one node
// unless it reads a field of asked.
type sides struct {
	pos, neg node
	differ   bool
}

func both(n node) sides { return sides{pos: n, neg: n} }

func (s sides) of(negated bool) node {
	if negated {
		return s.neg
	}
	return s.pos
}

// joined makes one part of several, by allOf or anyOf.
func joined(how func([]node) node, parts []sides) sides {
	pos, neg := make([]node, 0, len(parts)), make([]node, 0, len(parts))
	differ := false
	for _, p := range parts {
		pos, neg = append(pos, p.pos), append(neg, p.neg)
		differ = differ || p.differ
	}
	if !differ {
		return both(how(pos))
	}
	return sides{pos: how(pos), neg: how(neg), differ: true}
}
