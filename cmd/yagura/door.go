package main

import (
	"context"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/yagura-edr/yagura/internal/event"
)

// door stands where answers of the server come in. What hosts said is in them, and for a person every text of every
// message is made harmless here, once, so that no verb can forget it: a printer that puts a line end of a host into its
// lines would let the host write lines of its own. Programs that asked for JSON get the texts as they are.
type door struct{ exact bool }

// WrapUnary makes the texts of an answer or a refusal harmless.
func (d door) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, q connect.AnyRequest) (connect.AnyResponse, error) {
		r, err := next(ctx, q)
		if err != nil {
			return nil, harmlessError(err)
		}
		d.message(r.Any())
		return r, nil
	}
}

// WrapStreamingClient does the same with each message of a stream.
func (d door) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		return harmlessStream{next(ctx, spec), d}
	}
}

// WrapStreamingHandler is for servers; this is none.
func (door) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

type harmlessStream struct {
	connect.StreamingClientConn

	door door
}

func (s harmlessStream) Receive(m any) error {
	if err := s.StreamingClientConn.Receive(m); err != nil {
		return harmlessError(err)
	}
	s.door.message(m)
	return nil
}

// maxRefusal is how much of a refusal is said; ours are a sentence or two.
const maxRefusal = 4096

func harmlessError(err error) error {
	ce, ok := err.(*connect.Error) //nolint:errorlint // a wrapped one is not the server's word
	if !ok {
		return err
	}
	text := ce.Message()
	if shown := event.Clip(event.Show(text), maxRefusal); shown != text {
		return connect.NewError(ce.Code(), plainError(shown))
	}
	return err
}

// plainError is a text that is an error.
type plainError string

func (e plainError) Error() string { return string(e) }

func (d door) message(m any) {
	if p, ok := m.(proto.Message); ok && !d.exact {
		harmlessMessage(p.ProtoReflect())
	}
}

func harmlessMessage(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		text, message := f.Kind() == protoreflect.StringKind, f.Kind() == protoreflect.MessageKind
		switch {
		case f.IsMap():
			entries := v.Map()
			entries.Range(func(k protoreflect.MapKey, x protoreflect.Value) bool {
				if kind := f.MapValue().Kind(); kind == protoreflect.StringKind {
					entries.Set(k, protoreflect.ValueOfString(event.Show(x.String())))
				} else if kind == protoreflect.MessageKind {
					harmlessMessage(x.Message())
				}
				return true
			})
		case f.IsList():
			for i := range v.List().Len() {
				if text {
					v.List().Set(i, protoreflect.ValueOfString(event.Show(v.List().Get(i).String())))
				} else if message {
					harmlessMessage(v.List().Get(i).Message())
				}
			}
		case message:
			harmlessMessage(v.Message())
		case text && f.FullName() == "yagura.console.v1.IncidentChange.text": // a note is written in lines
			var lines []string
			for l := range strings.SplitSeq(v.String(), "\n") {
				lines = append(lines, event.Show(strings.TrimSuffix(l, "\r")))
			}
			m.Set(f, protoreflect.ValueOfString(strings.Join(lines, "\n")))
		case text:
			m.Set(f, protoreflect.ValueOfString(event.Show(v.String())))
		}
		return true
	})
}
