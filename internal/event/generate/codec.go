package main

import (
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// encoder writes Append: a function a block, each passed over when an event has nothing of it.
func encoder(p printer, fields []registry.Field) {
	p("// Append adds the wire form of e to b (protobuf wire format, message Event of event.proto).\nfunc (e *Event) Append(b []byte) []byte {")
	all := blocks(fields)
	for _, k := range all {
		if k.always {
			p("b = e.append%s(b)", k.name)
			continue
		}
		p("if e.has%s() {\nb = e.append%s(b)\n}", k.name, k.name)
	}
	p("return append(b, e.Extra...)\n}\n")
	for _, k := range all {
		if !k.always {
			asked(p, k)
		}
		appended(p, k)
	}
}

// block is a run of fields that an event mostly has together or not at all.
type block struct {
	name   string
	always bool // every event has something of it: it is not asked for
	fields []registry.Field
}

// blocks cuts the fields: the registry's blocks of the top fields, then the places.
func blocks(fields []registry.Field) (out []block) {
	next := func(name string, from, to int) {
		k := block{name: name, always: from <= 1}
		for _, f := range fields {
			if f.Number >= from && f.Number < to {
				k.fields = append(k.fields, f)
			}
		}
		out = append(out, k)
	}
	for i, k := range registry.Blocks {
		end := registry.Places[0].Base
		if i+1 < len(registry.Blocks) {
			end = registry.Blocks[i+1].First
		}
		next(k.Name, k.First, end)
	}
	for i, pl := range registry.Places {
		end := 1 << 12
		if i+1 < len(registry.Places) {
			end = registry.Places[i+1].Base
		}
		next(pl.Go, pl.Base, end)
	}
	return out
}

// asked writes whether an event has anything of a block: all fields are laid over each other, without a branch a field.
func asked(p printer, k block) {
	p("func (e *Event) has%s() bool {\nvar n uint64", k.name)
	for _, f := range k.fields {
		expr := "e." + f.Go
		switch f.Type {
		case registry.Uint, registry.Int:
			p("n |= uint64(%s)", expr)
		case registry.Bool:
			p("if %s {\nn |= 1\n}", expr)
		case registry.Text, registry.Texts, registry.Attributes:
			p("n |= uint64(len(%s))", expr)
		case registry.Key:
			p("n |= binary.NativeEndian.Uint64(%s[:]) | binary.NativeEndian.Uint64(%s[8:])", expr, expr)
		case registry.Hash:
			p("n |= binary.NativeEndian.Uint64(%s[:]) | binary.NativeEndian.Uint64(%s[8:]) | binary.NativeEndian.Uint64(%s[16:]) | binary.NativeEndian.Uint64(%s[24:])", expr, expr, expr, expr)
		case registry.Addr:
			p("if %s.IsValid() {\nn |= 1\n}", expr)
		}
	}
	p("return n != 0\n}\n")
}

// appended writes what adds the fields of a block.
func appended(p printer, k block) {
	p("func (e *Event) append%s(b []byte) []byte {", k.name)
	for _, f := range k.fields {
		expr := "e." + f.Go
		p("if !(%s) {", isZero(f, expr))
		switch f.Type {
		case registry.Uint:
			p("b = protowire.AppendTag(b, %d, protowire.VarintType)\nb = protowire.AppendVarint(b, uint64(%s))", f.Number, expr)
		case registry.Int:
			p("b = protowire.AppendTag(b, %d, protowire.VarintType)\nb = protowire.AppendVarint(b, protowire.EncodeZigZag(%s))", f.Number, expr)
		case registry.Bool:
			p("b = protowire.AppendTag(b, %d, protowire.VarintType)\nb = protowire.AppendVarint(b, 1)", f.Number)
		case registry.Text:
			p("b = protowire.AppendTag(b, %d, protowire.BytesType)\nb = protowire.AppendString(b, %s)", f.Number, expr)
		case registry.Texts:
			p("for _, s := range atMost(%s) {\nb = protowire.AppendTag(b, %d, protowire.BytesType)\nb = protowire.AppendString(b, s)\n}", expr, f.Number)
		case registry.Attributes:
			p("var one []byte\nfor _, a := range %s[:min(len(%s), MaxAttributes)] {\none = a.Append(one[:0])\nb = protowire.AppendTag(b, %d, protowire.BytesType)\nb = protowire.AppendBytes(b, one)\n}", expr, expr, f.Number)
		case registry.Key, registry.Hash:
			p("b = protowire.AppendTag(b, %d, protowire.BytesType)\nb = protowire.AppendBytes(b, %s[:])", f.Number, expr)
		case registry.Addr:
			p("b = protowire.AppendTag(b, %d, protowire.BytesType)\nb = appendAddr(b, %s)", f.Number, expr)
		}
		p("}")
	}
	p("return b\n}\n")
}

// decoder writes what Decode stores a field with.
func decoder(p printer, fields []registry.Field) {
	varints(p, fields)
	bytesFields(p, fields)
}

func varints(p printer, fields []registry.Field) {
	p("// setVarint stores a varint field; ok is false for a number it does not know. A value that its Go type\n// cannot hold is refused: cut to size, an unknown kind would pass for a known one.\nfunc (e *Event) setVarint(n protowire.Number, v uint64) (ok bool, err error) {\nswitch n {")
	for _, f := range fields {
		switch f.Type {
		case registry.Uint:
			if t := goFieldType(f); t != "uint64" {
				p("case %d:\nif e.%s = %s(v); uint64(e.%s) != v {\nreturn true, fmt.Errorf(\"field %%d: value %%d: %%w\", n, v, ErrMalformed)\n}", f.Number, f.Go, t, f.Go)
				continue
			}
			p("case %d: e.%s = v", f.Number, f.Go)
		case registry.Int:
			p("case %d: e.%s = protowire.DecodeZigZag(v)", f.Number, f.Go)
		case registry.Bool:
			p("case %d: e.%s = v != 0", f.Number, f.Go)
		default: // setBytes
		}
	}
	p("default: return false, nil\n}\nreturn true, nil\n}\n")
}

func bytesFields(p printer, fields []registry.Field) {
	p("// setBytes stores a bytes field; ok is false for a number it does not know.\nfunc (e *Event) setBytes(n protowire.Number, v []byte) (ok bool, err error) {\nswitch n {")
	for _, f := range fields {
		switch f.Type {
		case registry.Text:
			p("case %d: e.%s = string(v)", f.Number, f.Go)
		case registry.Texts:
			p("case %d:\nif len(e.%s) >= MaxTexts {\nreturn true, fmt.Errorf(\"field %%d: more than %%d entries: %%w\", n, MaxTexts, ErrTooBig)\n}\ne.%s = append(e.%s, string(v))", f.Number, f.Go, f.Go, f.Go)
		case registry.Attributes:
			p("case %d:\na, known, err := ParseAttribute(v)\nif err != nil || !known {\nreturn err != nil, err\n}\nif len(e.%s) >= MaxAttributes {\nreturn true, fmt.Errorf(\"field %%d: more than %%d entries: %%w\", n, MaxAttributes, ErrTooBig)\n}\ne.%s = append(e.%s, a)", f.Number, f.Go, f.Go, f.Go)
		case registry.Key, registry.Hash:
			p("case %d:\nif len(v) != len(e.%s) {\nreturn true, fmt.Errorf(\"field %%d: %%d bytes: %%w\", n, len(v), ErrMalformed)\n}\ncopy(e.%s[:], v)", f.Number, f.Go, f.Go)
		case registry.Addr:
			p("case %d:\na, ok := netip.AddrFromSlice(v)\nif !ok {\nreturn true, fmt.Errorf(\"field %%d: address of %%d bytes: %%w\", n, len(v), ErrMalformed)\n}\ne.%s = a.Unmap()", f.Number, f.Go)
		default: // setVarint
		}
	}
	p("default: return false, nil\n}\nreturn true, nil\n}\n")
}
