package main

import "github.com/yagura-edr/yagura/internal/event/registry"

var goType = map[registry.Type]string{
	registry.Uint: "uint64", registry.Int: "int64", registry.Bool: "bool", registry.Text: "string",
	registry.Texts: "[]string", registry.Key: "Key", registry.Addr: "netip.Addr", registry.Hash: "[32]byte", registry.Attributes: "[]Attribute",
}

func goFieldType(f registry.Field) string {
	switch f.Name {
	case "kind":
		return "Kind"
	case "os":
		return "OS"
	}
	return goType[f.Type]
}

func isZero(f registry.Field, expr string) string {
	switch f.Type {
	case registry.Bool:
		return "!" + expr
	case registry.Text:
		return expr + ` == ""`
	case registry.Texts, registry.Attributes:
		return "len(" + expr + ") == 0"
	case registry.Key:
		return expr + " == (Key{})"
	case registry.Addr:
		return "!" + expr + ".IsValid()"
	case registry.Hash:
		return expr + " == ([32]byte{})"
	case registry.Uint, registry.Int:
		return expr + " == 0"
	}
	panic("a field type without a zero")
}

func comment(f registry.Field) string {
	if f.Unit != "" {
		return f.En + " (" + f.Unit + ")"
	}
	return f.En
}
