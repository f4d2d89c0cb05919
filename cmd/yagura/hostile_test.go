package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/yagura-edr/yagura/internal/command"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// hostiles are texts that a host, a file or a server made to harm whoever looks. The word stands at the beginning of
// what would be a line of its own.
var hostiles = map[string]string{
	"escape":   "a\x1b]0;X\x07\x1b[2J\x1b[31m\x1b[1;1Hb",
	"line":     "a\nFORGED everything is fine\r\nFORGED\rFORGED\vFORGED\fFORGED\u0085FORGED\u2028FORGED\u2029FORGED b\n",
	"bidi":     "a\u202eFORGED\u2066\u200f\u061c\u200b\u2060\ufeff\u00ad\u3164b",
	"one byte": "\u009b31m\u009d0;X\u009c\u0090\u0080b",
	"long":     strings.Repeat("語 \x1b[31m`x`\n", 500),
	"words":    "'; rm -rf $(x) `yagura doctor` %s%n%!d(MISSING) \\x1b",
	"delete":   "a\x7f\x08\x08\x00b\tc",
	"tags":     "a\U000E0041\U000E007F\U0010FE9B\U0010FFFF\ufff9b",
}

// fullHostile answers every call of the console's API with a message whose every text is hostile. The numbers are
// small; of what a verb needs to go on (ids, states) the honest words are given where honest is set.
type fullHostile struct {
	text   string
	honest bool
	fails  bool // every call is refused, hostilely
}

const (
	hostileHost     = "h-01900000-0000-7000-8000-000000000000"
	hostileProcess  = hostileHost + "/p-aadgbc7pzteqaaaaabsqaaaabe"
	hostileIncident = "i-01900000-0000-7000-8000-000000000001"
)

func (h *fullHostile) fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case depth > 5:
		case f.IsMap():
			values := m.Mutable(f).Map()
			for range 2 {
				key := h.value(f.MapKey(), string(m.Descriptor().Name()))
				if f.MapValue().Kind() == protoreflect.MessageKind {
					v := values.NewValue()
					h.fill(v.Message(), depth+1)
					values.Set(key.MapKey(), v)
				} else {
					values.Set(key.MapKey(), h.value(f.MapValue(), string(m.Descriptor().Name())))
				}
			}
		case f.IsList():
			list := m.Mutable(f).List()
			for range 2 {
				if f.Kind() == protoreflect.MessageKind {
					h.fill(list.AppendMutable().Message(), depth+1)
				} else {
					list.Append(h.value(f, string(m.Descriptor().Name())))
				}
			}
		case f.Kind() == protoreflect.MessageKind:
			h.fill(m.Mutable(f).Message(), depth+1)
		default:
			m.Set(f, h.value(f, string(m.Descriptor().Name())))
		}
	}
}

func (h *fullHostile) value(f protoreflect.FieldDescriptor, message string) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		if h.honest {
			if word, ok := honestWord(message, string(f.Name())); ok {
				return protoreflect.ValueOfString(word)
			}
		}
		return protoreflect.ValueOfString(strings.ToValidUTF8(h.text, "?"))
	case protoreflect.BytesKind:
		if f.Name() == "story_json" {
			var s incident.Story
			fillGo(reflect.ValueOf(&s).Elem(), h.text, 0)
			b, err := json.Marshal(s)
			if err != nil {
				panic(err)
			}
			return protoreflect.ValueOfBytes(b)
		}
		if message == "Authority" {
			public, list := h.authority()
			return protoreflect.ValueOfBytes(map[protoreflect.Name][]byte{"public_key": public, "operator_list": list}[f.Name()])
		}
		return protoreflect.ValueOfBytes([]byte(h.text))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(message+"."+string(f.Name()) != "ListEventsResponse.truncated") // else it asks for ever
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(1)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(1_790_000_000_000_000)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(2)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(2)
	default:
		return protoreflect.ValueOfUint32(2)
	}
}

// authority signs a list whose persons are hostile: whoever holds the authority key chose their names.
func (h *fullHostile) authority() (public ed25519.PublicKey, list []byte) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public = key.Public().(ed25519.PublicKey)
	person := strings.ToValidUTF8(h.text[:min(len(h.text), 120)], "")
	now := time.Now()
	list, err := command.SignList(&command.Operators{Tenant: tenant.ID{1}, Generation: 1, Issued: now, Expiry: now.Add(time.Hour), HostCap: 5, Keys: []command.Key{
		{ID: command.KeyID(public), Algorithm: command.Ed25519, Public: public, Role: command.CLI, Person: person, Classes: []command.Class{command.C1}, NotAfter: now.Add(time.Hour)},
	}}, key)
	if err != nil {
		panic(err)
	}
	return public, list
}

// honestWord gives what a verb needs to find its way.
func honestWord(message, field string) (string, bool) {
	switch message + "." + field {
	case "Host.id", "Detection.host_id", "Action.host_id", "EventRow.host_id", "SilentFailure.host_id":
		return hostileHost, true
	case "Detection.process", "TreeNode.process", "Node.process", "Action.target":
		return hostileProcess, true
	case "IncidentRow.id", "Detection.incident_id":
		return hostileIncident, true
	case "Host.name":
		return "web-07", true
	case "Host.state":
		return "silent", true
	case "Action.state":
		return "failed", true
	case "IncidentRow.state":
		return "new", true
	case "Detection.severity", "IncidentRow.severity":
		return "high", true
	case "Check.state":
		return "fail", true
	case "EnrolToken.sensor_url", "ListEnrolTokensResponse.sensor_url":
		return "https://edr.example:8444", true
	case "ListEnrolTokensResponse.sensor_listen":
		return "0.0.0.0:8444", true
	}
	return "", false
}

// fillGo puts text into every string of a Go value.
func fillGo(v reflect.Value, text string, depth int) {
	if depth > 6 || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.ToValidUTF8(text, "?"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if v.Type() != reflect.TypeFor[time.Duration]() && v.Kind() == reflect.Int64 {
			v.SetInt(1_790_000_000_000_000)
		} else if v.Kind() == reflect.Int {
			v.SetInt(2)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(2)
	case reflect.Struct:
		for _, field := range v.Fields() {
			fillGo(field, text, depth+1)
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			b, _ := json.Marshal(text)
			v.SetBytes(b)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fillGo(v.Index(i), text, depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillGo(key, text, depth+1)
		fillGo(value, text, depth+1)
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillGo(v.Elem(), text, depth+1)
	}
}

// ServeHTTP speaks the protocol of the console's API.
func (h *fullHostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	refusal, _ := json.Marshal(map[string]string{"code": "failed_precondition", "message": h.text})
	_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	method := consolev1.File_console_v1_console_proto.Services().ByName("Console").Methods().ByName(protoreflect.Name(name))
	if method == nil {
		http.NotFound(w, r)
		return
	}
	frame := func(flags byte, b []byte) {
		head := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(b)))
		_, _ = w.Write(append(head, b...))
	}
	if h.fails && !method.IsStreamingServer() {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(refusal)
		return
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())
	if err != nil {
		panic(err)
	}
	m := kind.New()
	h.fill(m, 0)
	b, err := proto.Marshal(m.Interface())
	if err != nil {
		panic(err)
	}
	if method.IsStreamingServer() {
		w.Header().Set("Content-Type", "application/connect+proto")
		if !h.fails {
			frame(0, b)
			frame(0, b)
		}
		end := []byte("{}")
		if h.fails {
			end = append(append([]byte(`{"error":`), refusal...), '}')
		}
		frame(2, end)
		return
	}
	w.Header().Set("Content-Type", "application/proto")
	_, _ = w.Write(b)
}

// serveHostile answers on a data folder's socket as its server would.
func serveHostile(t *testing.T, h *fullHostile) (data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", filepath.Join(data, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return data
}

// steers finds in an output what a terminal would obey, and lines that a text began by itself.
func steers(out string) string {
	if !utf8.ValidString(out) {
		return "no UTF-8"
	}
	for i, r := range out {
		if r != '\n' && !unicode.IsGraphic(r) || r == 0x3164 {
			return fmt.Sprintf("%q at %d: %q", r, i, out[max(0, i-40):min(len(out), i+40)])
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "FORGED") { // a note is written in lines, under its head
			return "a line of its own: " + line
		}
	}
	return ""
}

// hostileVerbs is every verb that prints what it is told, as a person calls it.
var hostileVerbs = [][]string{
	{"doctor"},
	{"doctor", "--notify"},
	{"hosts"},
	{"hosts", "--all"},
	{"hosts", "show", "web-07"},
	{"hosts", "show", hostileHost},
	{"hosts", "show", "nobody"},
	{"events", "list", "--limit", "3"},
	{"events", "list", "no-event"},
	{"events", "list", "--host", "web-07", "--limit", "1"},
	{"events", "tail", "--limit", "2"},
	{"events", "tail"},
	{"tree", hostileProcess},
	{"tree", "last"},
	{"tree", "--incident", "last"},
	{"detections"},
	{"detections", "--incident", "last"},
	{"incidents"},
	{"incidents", "show", "last"},
	{"incidents", "show", hostileIncident},
	{"incidents", "claim", "last"},
	{"incidents", "unclaim", hostileIncident},
	{"incidents", "note", hostileIncident, "x"},
	{"incidents", "close", hostileIncident, "--verdict", "BTP", "--reason", "x"},
	{"incidents", "reopen", hostileIncident},
	{"incidents", "show", "0000"},
	{"actions"},
	{"actions", "show", "last"},
	{"actions", "show", "a-1"},
	{"respond", "isolate", "web-07", "--wait", "300ms"},
	{"respond", "kill", hostileProcess, "--wait", "300ms"},
	{"respond", "release", hostileHost, "--wait", "0"},
	{"enroll", "token"},
	{"enroll", "token", "--this-host"},
	{"enroll", "list"},
	{"enroll", "revoke", "web-07"},
	{"enroll", "revoke", hostileHost},
	{"rules", "list"},
	{"sign-in"},
	{"quarantine"},
	{"quarantine", "list"},
	{"quarantine", "retry", "x"},
	{"store"},
	{"store", "show"},
	{"store", "expire"},
	{"store", "expire", "--yes"},
	{"authority"},
	{"authority", "show"},
	{"authority", "renew", "--key", "/nonexistent/authority.key"},
	{"authority", "remove", "0123456789abcdef"},
}

// TestNoTextSteersTheTerminal answers every verb with every text that harms, in every field of every message, in both
// languages, in a narrow and a wide terminal, and as JSON; then refuses every call with it.
func TestNoTextSteersTheTerminal(t *testing.T) {
	texts := hostiles
	if testing.Short() { // all of the short ones in one
		var all strings.Builder
		for name, text := range hostiles {
			if name != "long" {
				all.WriteString(text)
			}
		}
		texts = map[string]string{"all": all.String()}
	}
	for name, text := range texts {
		for _, way := range []string{"hostile", "honest ids", "refused"} {
			t.Run(name+", "+way, func(t *testing.T) {
				data := serveHostile(t, &fullHostile{text: text, honest: way == "honest ids", fails: way == "refused"})
				for _, args := range hostileVerbs {
					for _, language := range []string{"C.UTF-8", "ja_JP.UTF-8", "json"} {
						if language == "json" {
							args = append(append([]string(nil), args...), "--json")
						}
						out, errOut := runHostile(t, data, language, args)
						if s := steers(out); s != "" {
							t.Errorf("yagura %s (%s): standard output: %s", strings.Join(args, " "), language, s)
						}
						if s := steers(errOut); s != "" {
							t.Errorf("yagura %s (%s): standard error: %s", strings.Join(args, " "), language, s)
						}
						if language != "json" || out == "" {
							continue
						}
						for d := json.NewDecoder(strings.NewReader(out)); ; {
							var v any
							if err := d.Decode(&v); err == io.EOF {
								break
							} else if err != nil {
								t.Errorf("yagura %s: no JSON: %v", strings.Join(args, " "), err)
								break
							}
						}
					}
				}
			})
		}
	}
}

func runHostile(t *testing.T, data, language string, args []string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var o, e bytes.Buffer
	run(ctx, append([]string{"--data", data}, args...), strings.NewReader(""), &o, &e, func(k string) string {
		return map[string]string{"LANG": language, "HOME": filepath.Dir(data), "COLUMNS": map[string]string{"C.UTF-8": "60"}[language]}[k]
	})
	return o.String(), e.String()
}

// TestEveryVerbIsTried: a verb that is added is tried with hostile texts, or it is said here why it prints none.
func TestEveryVerbIsTried(t *testing.T) {
	tried := map[string]bool{}
	for _, args := range hostileVerbs {
		tried[args[0]] = true
		if len(args) > 1 {
			tried[args[0]+" "+args[1]] = true
		}
	}
	for _, own := range []string{
		"up", "server", "worker", "version", // print what they are
		"config print", "config check", "rules check", "rules test", "replay", "authority move", // files of the caller: TestHostileFiles
		"hosts list", "incidents list", "actions list", // the same as without the word
		"respond suspend", "respond resume", "respond maintenance", // as respond kill and isolate
	} {
		tried[own] = true
	}
	for _, v := range helpOf(t) {
		if len(v) == 0 {
			continue
		}
		name := strings.Join(v, " ")
		group := false
		for _, other := range helpOf(t) {
			group = group || len(other) > len(v) && strings.HasPrefix(strings.Join(other, " "), name+" ")
		}
		if !group && !tried[name] {
			t.Errorf("yagura %s is not tried with hostile texts", name)
		}
	}
}

// TestHostileFiles gives verbs files of somebody else: rules, a configuration, a recording, with names and contents
// that harm.
func TestHostileFiles(t *testing.T) {
	c := newCounter(t)
	dir := t.TempDir()
	name := func(end string) string {
		return filepath.Join(dir, "a\x1b[31m\nFORGED\r\u202e\u0085"+end)
	}
	evil := "a\x1b]0;X\x07\u202e\u009b31m"
	quoted, err := json.Marshal(evil + "\nFORGED")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name(".rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		name(".rules/" + filepath.Base(name(".yml"))): "title: " + string(quoted) + "\nid: " + string(quoted) + "\nlogsource: {category: " + string(quoted) + "}\ndetection: {x: 1, condition: " + string(quoted) + "}\n",
		name(".rules/raw.yml"):                        "title: " + evil + "\ndetection:\n",
		name(".rules/raw.test.yml"):                   evil + ": 1\n",
		name(".yaml"):                                 evil + ": 1\n",
		name("2.yaml"):                                "hostname: " + string(quoted) + "\nrules: [" + string(quoted) + "]\n",
		name(".ndjson"):                               "{\"kind\":" + string(quoted) + "}\n",
		name("2.ndjson"):                              evil,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"rules", "check", "--rules", name(".rules")},
		{"rules", "test", name(".rules")},
		{"rules", "list", "--rules", name(".rules")},
		{"config", "check", "--config", name(".yaml")},
		{"config", "check", "--config", name("2.yaml")},
		{"config", "print", "--config", name("2.yaml")},
		{"config", "check", "--config", name("none")},
		{"replay", name(".ndjson")},
		{"replay", name("2.ndjson")},
		{"replay", "--host", evil, name("none")},
		{"authority", "move", name("")},
		{"authority", "move", name(".key/x.key")},
		{"authority", "renew", "--key", name(".yaml")},
		{"authority", "remove", name("")},
		{"authority", "remove", name(""), "--key", name(".yaml"), "--new", name(".key/x.key")},
		{"respond", "isolate", "web-07", "--operator-key", name(".yaml")},
		{evil},
		{"hosts", evil + "\nFORGED"},
		{"hosts", "--" + evil},
		{"hosts", "show", evil + "\nFORGED"},
		{"events", "list", "--from", evil},
		{"help", evil},
	} {
		for _, language := range []string{"C.UTF-8", "ja_JP.UTF-8"} {
			out, errOut := runHostile(t, c.data, language, args)
			if s := steers(out + "\n" + errOut); s != "" {
				t.Errorf("yagura %q (%s): %s", args, language, s)
			}
		}
	}
	for _, data := range []string{name(".data"), dir + "\x1b[31m\nFORGED"} {
		for _, args := range [][]string{{"hosts"}, {"doctor"}, {"authority"}} {
			out, errOut := runHostile(t, data, "C.UTF-8", args)
			if s := steers(out + "\n" + errOut); s != "" {
				t.Errorf("yagura %q in %q: %s", args, data, s)
			}
		}
	}
}
