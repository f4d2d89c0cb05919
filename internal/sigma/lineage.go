package sigma

import (
	"slices"
	"strings"
	"sync"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// lineageOf gives the roles of the acting process or of what started it. A sensor has judged them by identity. An
// imported event or a sample has only names: there the exact path of a program of the registry counts, of the actor,
// of its parent and of its ancestors as far as the program's role reaches, when it ran as root or no user is given.
func lineageOf(e *event.Event) Value {
	if len(e.Lineage) > 0 {
		return Value{Kind: List, List: e.Lineage}
	}
	if e.Flags&event.FlagJudged != 0 || e.OS != event.Linux {
		return Value{}
	}
	var roles []string
	add := func(path, script string, p *event.Process, least registry.Scope) {
		root := p == nil || rootOrUnknown(p)
		roles = addRoles(roles, path, script, root, least)
	}
	add(e.Actor.Path, e.Actor.Interpreter, &e.Actor, registry.Self)
	add(e.Parent.Path, e.Parent.Interpreter, &e.Parent, registry.Children)
	if rootOrUnknown(&e.Actor) {
		for _, a := range e.Ancestors {
			add(a, "", nil, registry.Tree)
		}
	}
	if len(roles) == 0 {
		return Value{}
	}
	return Value{Kind: List, List: roles}
}

func rootOrUnknown(p *event.Process) bool {
	id := p.EffectiveUserID
	if id == "" {
		id = p.UserID
	}
	return id == "0" || id == "" && (p.UserName == "" || p.UserName == "root")
}

// reach orders the scopes: what an actor has counts for itself, what reaches a whole tree counts everywhere.
func reach(s registry.Scope) int {
	return slices.Index([]registry.Scope{registry.Self, registry.Children, registry.Tree}, s)
}

type programKey struct {
	path   string
	script bool
}

var programs = sync.OnceValue(func() map[programKey]registry.Program {
	m := map[programKey]registry.Program{}
	for _, p := range registry.Programs {
		m[programKey{p.Path, p.Script}] = p
	}
	return m
})

// addRoles adds the role of a program, or of the script that it interprets, if it reaches as far as least.
func addRoles(roles []string, path, script string, root bool, least registry.Scope) []string {
	for _, k := range [...]programKey{{path, false}, {script, true}} {
		p, ok := programs()[k]
		if k.path == "" || !ok || p.Root && !root || reach(p.Scope) < reach(least) || slices.Contains(roles, p.Role) {
			continue
		}
		roles = append(roles, p.Role)
	}
	return roles
}

// supplied gives what a record of plain fields does not say itself but what follows from it: a sample of a rule names Image and
// its like, and is judged as an imported event would be.
func (f Fields) supplied(field string) Value {
	switch field {
	case "ImagePath":
		return f.first("Image", "SourceImage")
	case "ParentImagePath":
		return f.first("ParentImage")
	case "TargetImagePath":
		return f.first("TargetImage")
	case "Lineage", "lineage":
		return f.lineage()
	case "actor_invoked":
		if v := f.rest("Image"); v.Kind != Absent {
			return v
		}
		return f.rest("SourceImage")
	case "parent_invoked":
		return f.rest("ParentImage")
	case "target_invoked":
		return f.rest("TargetImage")
	}
	return Value{}
}

// first gives the path of an image: of a list, which holds the path and the name that was asked for, the first.
func (f Fields) first(names ...string) Value {
	for _, n := range names {
		switch v := f.Values[n]; {
		case v.Kind == List && len(v.List) > 0:
			return TextValue(v.List[0])
		case v.Kind != Absent:
			return v
		}
	}
	return Value{}
}

// rest gives the names that were asked for, of an image that is a list.
func (f Fields) rest(name string) Value {
	if v := f.Values[name]; v.Kind == List && len(v.List) > 1 {
		return Value{Kind: List, List: v.List[1:]}
	}
	return Value{}
}

func (f Fields) lineage() Value {
	if !slices.ContainsFunc(f.Sources, func(l LogSource) bool { return l.Product == "" || l.Product == event.Linux.String() }) {
		return Value{}
	}
	text := func(names ...string) string {
		for _, n := range names {
			if v := f.first(n); v.Kind != Absent {
				return v.String()
			}
		}
		return ""
	}
	root := func(user string) bool { return user == "" || user == "root" || user == "0" || user == "true" }
	mine := root(text("actor_effective_user_id", "Elevated", "actor_user_id", "User", "actor_user_name"))
	theirs := root(text("parent_effective_user_id", "parent_user_id", "ParentUser", "parent_user_name"))
	roles := addRoles(nil, text("Image", "SourceImage", "actor_path"), text("Script", "actor_interpreter"), mine, registry.Self)
	roles = addRoles(roles, text("ParentImage", "parent_path"), text("parent_interpreter"), theirs, registry.Children)
	above := f.Values["Ancestors"]
	if above.Kind == Absent {
		above = f.Values["ancestors"]
	}
	list := above.List
	if above.Kind == Text {
		list = strings.Fields(above.Text)
	}
	for _, a := range list {
		roles = addRoles(roles, a, "", mine, registry.Tree)
	}
	if len(roles) == 0 {
		return Value{}
	}
	return Value{Kind: List, List: roles}
}
