package event_test

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
)

func TestDecodeRefuses(t *testing.T) {
	varint := func(n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
	}
	text := func(n protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, n, protowire.BytesType), s)
	}
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"tag without value", []byte{0x08}, event.ErrMalformed},
		{"field number 0", []byte{0x00, 0x00}, event.ErrMalformed},
		{"length past the end", []byte{0x4a, 0x7f, 'a'}, event.ErrMalformed},
		{"length of 2^63", append([]byte{0x4a}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), event.ErrMalformed},
		{"end of a group that never began", []byte{0x4c}, event.ErrMalformed},
		{"key of 15 bytes", text(100, strings.Repeat("k", 15)), event.ErrMalformed},
		{"hash of 33 bytes", text(114, strings.Repeat("h", 33)), event.ErrMalformed},
		{"address of 5 bytes", text(32, "12345"), event.ErrMalformed},
		{"kind 65537 would pass for process.exec", varint(1, 65537), event.ErrMalformed},
		{"os 257 would pass for Linux", varint(2, 257), event.ErrMalformed},
		{"65 answers", bytes.Repeat(text(42, "a"), 65), event.ErrTooBig},
		{"too many bytes", text(105, strings.Repeat("x", event.MaxTextEventBytes)), event.ErrTooBig},
	} {
		var e event.Event
		if err := e.Decode(c.in); !errors.Is(err, c.want) {
			t.Errorf("Decode(%s) = %v; want %v", c.name, err, c.want)
		}
	}
}

func TestBatchRoundTripAndBounds(t *testing.T) {
	in := []*event.Event{linuxExec(), macConnect(), {}}
	b := event.AppendBatch(nil, in)
	for _, decode := range []func([]byte) ([]*event.Event, error){event.DecodeBatch, event.DecodeSensorBatch} {
		out, err := decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(out, in) {
			t.Errorf("batch round trip = %+v; want %+v", out, in)
		}
		if _, err := decode(b[:len(b)-2]); !errors.Is(err, event.ErrMalformed) {
			t.Errorf("truncated batch: %v; want %v", err, event.ErrMalformed)
		}
		if _, err := decode(make([]byte, event.MaxBatchEvents+1)); !errors.Is(err, event.ErrTooBig) {
			t.Errorf("2,001 empty events: %v; want %v", err, event.ErrTooBig)
		}
		if out, err := decode(make([]byte, event.MaxBatchEvents)); err != nil || len(out) != event.MaxBatchEvents {
			t.Errorf("2,000 empty events: %d, %v; want all of them", len(out), err)
		}
	}
}

// What the door accepts, every reader behind it must accept, although text grows there.
func TestTextifiedEventOfInvalidBytesIsReadBehindTheDoor(t *testing.T) {
	e := &event.Event{Kind: event.ProcessExec, OS: event.Linux}
	e.Actor.CommandLine = strings.Repeat("\xff", event.MaxEventBytes-64)
	at, err := event.DecodeSensorBatch(event.AppendBatch(nil, []*event.Event{e}))
	if err != nil {
		t.Fatalf("at the door: %v", err)
	}
	at[0].Textify()
	behind, err := event.DecodeBatch(event.AppendBatch(nil, at))
	if err != nil {
		t.Fatalf("behind the door: %v", err)
	}
	if got := event.Bytes(behind[0].Actor.CommandLine); string(got) != e.Actor.CommandLine {
		t.Errorf("%d bytes came back, want %d as they were", len(got), len(e.Actor.CommandLine))
	}
	e.Actor.CommandLine += strings.Repeat("x", 100)
	if _, err := event.DecodeSensorBatch(event.AppendBatch(nil, []*event.Event{e})); !errors.Is(err, event.ErrTooBig) {
		t.Errorf("an event over the wire limit at the door: %v; want %v", err, event.ErrTooBig)
	}
}

func TestFitMakesAnyEventSendable(t *testing.T) {
	e := linuxExec()
	if e.Fit() {
		t.Errorf("Fit cut an event that fits")
	}
	if !reflect.DeepEqual(e, linuxExec()) {
		t.Errorf("Fit changed an event that fits")
	}
	big := strings.Repeat("あ", 40_000)
	e.Actor.CommandLine, e.Parent.CommandLine, e.Actor.Path = big, big, "/"+big
	e.Answers = make([]string, 300)
	if !e.Fit() {
		t.Errorf("Fit says that nothing was cut")
	}
	if e.Flags&event.FlagCommandLineTruncated == 0 || e.Flags&event.FlagPathTruncated == 0 {
		t.Errorf("Flags = %b; want the truncation bits", e.Flags)
	}
	out, err := event.DecodeSensorBatch(event.AppendBatch(nil, []*event.Event{e}))
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Actor.UserName != "www-data" || len(out[0].Answers) != event.MaxTexts || len(out[0].Actor.CommandLine) < 4096 {
		t.Errorf("after Fit: user %q, %d answers, command line of %d bytes", out[0].Actor.UserName, len(out[0].Answers), len(out[0].Actor.CommandLine))
	}
}

// An IPv4 address that a dual-stack socket wrote as ::ffff:a.b.c.d is the same address to rules.
func TestMappedIPv4IsOneAddress(t *testing.T) {
	var e event.Event
	mapped := netip.MustParseAddr("::ffff:192.0.2.7").As16()
	if err := e.Decode(protowire.AppendBytes(protowire.AppendTag(nil, 34, protowire.BytesType), mapped[:])); err != nil {
		t.Fatal(err)
	}
	if got := e.Value(event.NRemoteAddr).String(); got != "192.0.2.7" {
		t.Errorf("RemoteAddr = %s; want 192.0.2.7", got)
	}
}

func TestAbsentAndZeroAreDifferentWhereTheKindSaysSo(t *testing.T) {
	exit := event.Event{Kind: event.ProcessExit}
	if v := exit.Value(event.NExitCode); !v.Set || v.String() != "0" {
		t.Errorf("exit code of a clean exit: set %v, %q; want 0", v.Set, v.String())
	}
	exec := event.Event{Kind: event.ProcessExec}
	if v := exec.Value(event.NExitCode); v.Set || v.String() != "" {
		t.Errorf("exit code of an exec: set %v, %q; want absent", v.Set, v.String())
	}
	if v := exec.Value(4095); v.Set {
		t.Errorf("an unknown number is set: %+v", v)
	}
}
