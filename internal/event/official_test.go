package event_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// fill gives every field of the registry a value of its own, found by its Go path.
func fill(t *testing.T) *event.Event {
	t.Helper()
	var e event.Event
	for _, f := range registry.Fields() {
		v := reflect.ValueOf(&e).Elem()
		for part := range strings.SplitSeq(f.Go, ".") {
			v = v.FieldByName(part)
		}
		if !v.IsValid() {
			t.Fatalf("registry field %s: event.Event has no %s", f.Name, f.Go)
		}
		n := f.Number
		switch f.Type {
		case registry.Uint:
			v.SetUint(uint64(n))
		case registry.Int:
			v.SetInt(int64(-n))
		case registry.Bool:
			v.SetBool(true)
		case registry.Text:
			v.SetString(f.Name + "\xff")
		case registry.Texts:
			v.Set(reflect.ValueOf([]string{f.Name, "", "\xfe"}))
		case registry.Attributes:
			v.Set(reflect.ValueOf([]event.Attribute{event.TextAttribute("TargetUserName\xff", "\xfe"), event.IntAttribute("LogonType", -3), event.BoolAttribute("Elevated", true), event.BoolAttribute("Virtual", false), event.TextAttribute("empty", "")}))
		case registry.Key, registry.Hash:
			reflect.Copy(v, reflect.ValueOf([]byte(f.Name[:5])))
		case registry.Addr:
			v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})))
		default:
			t.Fatalf("registry field %s: type %d is unknown to this test", f.Name, f.Type)
		}
	}
	return &e
}

func TestEveryFieldPassesTheOfficialRuntimeAndBack(t *testing.T) {
	e := fill(t)
	var m sensorv1.Event
	if err := proto.Unmarshal(e.Append(nil), &m); err != nil {
		t.Fatal(err)
	}
	r := m.ProtoReflect()
	if n := len(r.GetUnknown()); n != 0 {
		t.Errorf("official runtime has %d bytes of unknown fields: event.proto and the registry disagree", n)
	}
	for _, f := range registry.Fields() {
		d := r.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(f.Number))
		if d == nil {
			t.Errorf("event.proto has no field %d (%s)", f.Number, f.Name)
			continue
		}
		if string(d.Name()) != f.Name {
			t.Errorf("field %d is %s in event.proto, %s in the registry", f.Number, d.Name(), f.Name)
		}
		if !r.Has(d) {
			t.Errorf("field %d (%s) did not reach the official runtime", f.Number, f.Name)
		}
		if v := e.Value(event.Number(f.Number)); !v.Set {
			t.Errorf("Value(%d) of %s is not set", f.Number, f.Name)
		}
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	var back event.Event
	if err := back.Decode(b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&back, e) {
		t.Errorf("round trip =\n%+v\nwant\n%+v", &back, e)
	}
}

// A newer sensor may send fields that this server does not know: they are kept and sent on, whatever
// their wire type.
func TestUnknownFieldsAreKept(t *testing.T) {
	extra := protowire.AppendTag(nil, 4000, protowire.VarintType)
	extra = protowire.AppendVarint(extra, 7)
	extra = protowire.AppendTag(extra, 4001, protowire.BytesType)
	extra = protowire.AppendString(extra, "later")
	extra = protowire.AppendTag(extra, 4002, protowire.Fixed32Type)
	extra = protowire.AppendFixed32(extra, 9)
	extra = protowire.AppendTag(extra, 4003, protowire.StartGroupType)
	extra = protowire.AppendTag(extra, 1, protowire.VarintType)
	extra = protowire.AppendVarint(extra, 1)
	extra = protowire.AppendTag(extra, 4003, protowire.EndGroupType)
	// A known number in a wire type that is not its own is not that field.
	extra = protowire.AppendTag(extra, protowire.Number(event.NActorPID), protowire.Fixed64Type)
	extra = protowire.AppendFixed64(extra, 1)

	var e event.Event
	if err := e.Decode(append(append([]byte{}, extra...), linuxExec().Append(nil)...)); err != nil {
		t.Fatal(err)
	}
	if string(e.Extra) != string(extra) {
		t.Errorf("Extra = %x; want %x", e.Extra, extra)
	}
	if e.Actor.PID != 4242 {
		t.Errorf("Actor.PID = %d; want 4242", e.Actor.PID)
	}
	var again event.Event
	if err := again.Decode(e.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, e) {
		t.Errorf("a second trip changed the event:\n%+v\nwant\n%+v", again, e)
	}
}
