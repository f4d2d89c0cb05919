package sigma

import (
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// EventRecord lets rules judge an event of ours. One EventRecord is reused for many events by one
// goroutine: Set, then Judge.
type EventRecord struct {
	e      *event.Event
	fields map[string]accessor
	source []LogSource
	log    [3]LogSource // of a log record, which names its own
}

type accessor func(*event.Event) Value

// eventSchema holds, for each kind, how each field name is read. It is made from the registry once and
// never changed.
type eventSchema struct {
	kinds  map[event.Kind]map[string]accessor
	source map[event.OS]map[event.Kind][]LogSource
	os     map[string]registry.OS // of each name, for "not applicable"
	each   []registry.Field
}

var schema = sync.OnceValue(newEventSchema)

// Set points the record at an event. It allocates nothing.
func (r *EventRecord) Set(e *event.Event) {
	s := schema()
	r.e, r.fields, r.source = e, s.kinds[e.Kind], s.source[e.OS][e.Kind]
	if e.Kind == event.LogRecord {
		r.source = r.logSources()
	}
}

// logSources gives what a log record says of itself, as rules name it: the product with the service, with the category,
// and with both where it has both. A rule that names less covers each of them.
func (r *EventRecord) logSources() []LogSource {
	product, service, category := strings.ToLower(r.e.LogProduct), strings.ToLower(r.e.LogService), strings.ToLower(r.e.LogCategory)
	out := r.log[:0]
	if service != "" {
		out = append(out, LogSource{Product: product, Service: service})
	}
	if category != "" {
		out = append(out, LogSource{Product: product, Category: category})
	}
	if service != "" && category != "" || len(out) == 0 {
		out = append(out, LogSource{Product: product, Category: category, Service: service})
	}
	return out
}

// LogSources implements Record: the Sigma category of the kind, and the kind's own name as a category.
func (r *EventRecord) LogSources() []LogSource { return r.source }

// Lookup implements Record.
func (r *EventRecord) Lookup(field string) Value {
	if r.e.Kind == event.LogRecord {
		if a, ok := r.e.Attribute(field); ok { // the log's own names come first
			return attributeValue(a)
		}
	}
	if get, ok := r.fields[field]; ok {
		return get(r.e)
	}
	return Value{}
}

// Each implements Record: every field that is present, by its registry name.
func (r *EventRecord) Each(yield func(string, Value) bool) {
	for _, f := range schema().each {
		if f.Type == event.TypeAttributes {
			for _, a := range r.e.Attributes {
				if !yield(a.Name, attributeValue(a)) {
					return
				}
			}
			continue
		}
		if v := eventValue(r.e, event.Number(f.Number)); v.Kind != Absent && !yield(f.Name, v) {
			return
		}
	}
}

func attributeValue(a event.Attribute) Value {
	switch a.Type {
	case event.AttributeInt:
		return Value{Kind: Int, Int: a.Int}
	case event.AttributeBool:
		return truth(a.Int != 0)
	case event.AttributeText:
	}
	return Value{Kind: Text, Text: a.Text}
}

// eventValue reads a field of the registry.
func eventValue(e *event.Event, n event.Number) Value {
	v := e.Value(n)
	if !v.Set {
		return Value{}
	}
	switch v.Type {
	case event.TypeText:
		return Value{Kind: Text, Text: v.Text}
	case event.TypeTexts:
		return Value{Kind: List, List: v.Texts}
	case event.TypeAddr:
		return Value{Kind: Addr, Addr: v.Addr}
	case event.TypeBool:
		return truth(v.Uint != 0)
	case event.TypeInt:
		if timeFields[n] {
			return Value{Kind: Time, Int: int64(v.Uint)}
		}
		return Value{Kind: Int, Int: int64(v.Uint)}
	case event.TypeUint:
		if v.Uint < 1<<63 {
			return Value{Kind: Int, Int: int64(v.Uint)}
		}
	case event.TypeKey, event.TypeHash, event.TypeAttributes:
	}
	return Value{Kind: Text, Text: v.String()}
}

var timeFields = map[event.Number]bool{event.NHostTime: true, event.NTime: true, event.NReceived: true, event.NFileModifiedTime: true, event.NOldFileModifiedTime: true}

func truth(b bool) Value {
	if b {
		return Value{Kind: Text, Text: "true"}
	}
	return Value{Kind: Text, Text: "false"}
}

func flag(bit uint64) accessor {
	return func(e *event.Event) Value { return truth(e.Flags&bit != 0) }
}

func byNumber(n event.Number) accessor {
	return func(e *event.Event) Value { return eventValue(e, n) }
}

func newEventSchema() *eventSchema {
	s := &eventSchema{kinds: map[event.Kind]map[string]accessor{}, source: map[event.OS]map[event.Kind][]LogSource{}, os: map[string]registry.OS{}, each: registry.Fields()}
	number := map[string]event.Number{}
	for _, f := range s.each {
		number[f.Name] = event.Number(f.Number)
		s.os[f.Name] = f.OS
	}
	for _, m := range registry.Sigma {
		s.os[m.Name] = s.os[m.Field]
	}
	for _, k := range registry.Kinds {
		kind := event.Kind(k.Number)
		m := map[string]accessor{}
		for name, n := range number {
			m[name] = byNumber(n)
		}
		for _, f := range registry.Sigma {
			if f.Category == "" || f.Category == k.Sigma {
				m[f.Name] = byNumber(number[f.Field])
			}
		}
		derived(m, kind)
		s.kinds[kind] = m
		for _, os := range []event.OS{event.Linux, event.Windows, event.MacOS} {
			if s.source[os] == nil {
				s.source[os] = map[event.Kind][]LogSource{}
			}
			var l []LogSource
			if k.Sigma != "" {
				l = append(l, LogSource{Product: os.String(), Category: k.Sigma})
			}
			l = append(l, LogSource{Product: os.String(), Category: k.Name})
			s.source[os][kind] = l
		}
	}
	return s
}

// derived adds the fields that no registry field holds as such; docs/format/rule.md lists them.
func derived(m map[string]accessor, k event.Kind) {
	name := k.String()
	m["EventType"] = func(*event.Event) Value { return Value{Kind: Text, Text: name} }
	m["Hashes"] = func(e *event.Event) Value {
		if e.Actor.SHA256 == ([32]byte{}) {
			return Value{}
		}
		return Value{Kind: Text, Text: "SHA256=" + strings.ToUpper(hex.EncodeToString(e.Actor.SHA256[:]))}
	}
	m["SHA256"] = m["sha256"]
	m["Lineage"] = lineageOf
	m["Ancestors"] = m["ancestors"]
	m["Script"] = m["actor_interpreter"]
	m["Elevated"] = func(e *event.Event) Value {
		if e.Actor.EffectiveUserID == "" {
			return truth(e.Actor.UserID == "0")
		}
		return truth(e.Actor.EffectiveUserID == "0")
	}
	m["HasTerminal"] = func(e *event.Event) Value { return truth(e.Actor.TTY != "") }
	m["CommandLineTruncated"] = flag(event.FlagCommandLineTruncated)
	m["Recovered"] = flag(event.FlagRecovered)
	switch k.Class() {
	case "file":
		m["FileInMemory"], m["FileDeleted"], m["FileCreated"] = flag(event.FlagMemoryFile), flag(event.FlagDeleted), flag(event.FlagCreated)
		m["FileEmptied"] = flag(event.FlagEmptied)
		m["FileSetuid"] = func(e *event.Event) Value {
			return truth(e.File.Mode&0o4000 != 0 && (e.File.Mode&0o170000 == 0 || e.File.Mode&0o170000 == 0o100000)) // a folder's bit means nothing
		}
		m["FileExecutable"] = func(e *event.Event) Value { return truth(e.File.Mode&0o111 != 0) }
	default:
		m["ImageInMemory"], m["ImageDeleted"] = flag(event.FlagMemoryFile), flag(event.FlagDeleted)
	}
	if k == event.LogRecord { // as most rules for logs of Windows name them
		m["EventID"], m["Channel"], m["Provider_Name"], m["Level"] = m["log_event_id"], m["log_channel"], m["log_provider"], m["log_level"]
	}
	m["StdinIsSocket"] = func(*event.Event) Value { return truth(k == event.NetStdioSocket) }
	if k.Sigma() == "network_connection" {
		m["DestinationIsIpv6"] = func(e *event.Event) Value { return truth(e.RemoteAddr.Is6() && !e.RemoteAddr.Is4In6()) }
	}
	if k == event.NetAccept {
		// The one who opened the connection is the source, as Sysmon has it.
		m["SourceIp"], m["DestinationIp"] = m["remote_ip"], m["local_ip"]
		m["SourcePort"], m["DestinationPort"] = m["remote_port"], m["local_port"]
		m["SourceHostname"] = m["remote_name"]
		delete(m, "DestinationHostname")
		m["DestinationIsIpv6"] = func(e *event.Event) Value { return truth(e.LocalAddr.Is6() && !e.LocalAddr.Is4In6()) }
	}
}

// Blind says why a rule can never fire on hosts of an OS: the log source or the fields that no sensor
// provides. Fields of other systems are not applicable, never blind, and stand in neither list.
func Blind(r *Rule, os event.OS) []string {
	if r.Source.Product != "" && r.Source.Product != os.String() {
		return nil
	}
	s := schema()
	var kinds []event.Kind
	for k, l := range s.source[os] {
		if slices.ContainsFunc(l, r.Source.covers) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return []string{"logsource " + r.Source.String()}
	}
	var out []string
	for _, f := range r.Fields {
		has := slices.ContainsFunc(kinds, func(k event.Kind) bool { _, ok := s.kinds[k][f]; return ok })
		if !has {
			out = append(out, f)
		}
	}
	return out
}

// Knows reports whether any event carries a field of that name.
func Knows(field string) bool {
	for _, m := range schema().kinds {
		if _, ok := m[field]; ok {
			return true
		}
	}
	return false
}

// SkipFor says which rules not to judge an event with: rules that read a hash wait for it, and the
// event that only brings the hash is for them alone.
func SkipFor(e *event.Event) func(*Rule) bool {
	switch {
	case e.Kind == event.ProcessImageHashed:
		return skipHashless
	case e.Kind == event.ProcessExec && e.HashState == event.HashPending:
		return skipHash
	}
	return nil
}

func skipHashless(r *Rule) bool { return !r.UsesHash }
func skipHash(r *Rule) bool     { return r.UsesHash }
