package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// helpWidth is how wide help is laid out, helpNames how wide its left column may grow.
const (
	helpWidth = 80
	helpNames = 30
)

// Help prints the help of a program or of one of its verbs in the tongue's language: every text of the
// grammar is looked up in the table of sentences. Kong's own printer knows English headings only and does
// not break Japanese lines. paste gives a line of an example as it runs in the reader's shell; nil: as it is.
func Help(t *Tongue, paste func(line string) string) kong.HelpPrinter {
	return func(_ kong.HelpOptions, ctx *kong.Context) error {
		h := &helpPage{tongue: t, paste: paste}
		node, usage := ctx.Model.Node, ctx.Model.Name+" "+t.Say("VERB [FLAGS]")
		if selected := ctx.Selected(); selected != nil {
			node, usage = selected, ctx.Model.Name+" "+summary(t, selected)
		}
		h.line("%s %s", t.Say("Usage:"), usage)
		h.text(t.Say(node.Help))
		detail, examples, _ := strings.Cut(node.Detail, "Examples:\n")
		h.text(t.Say(strings.TrimSpace(detail)))
		h.verbs(node)
		h.arguments(node)
		h.flags(node)
		for _, c := range node.Children {
			if _, more, ok := strings.Cut(c.Detail, "Examples:\n"); ok && node.Parent != nil && !c.Hidden {
				examples = strings.TrimRight(examples, "\n") + "\n" + more
			}
		}
		h.examples(strings.TrimLeft(examples, "\n"))
		if node == ctx.Model.Node {
			h.line("")
			h.line("%s", t.Say("`%s VERB --help` shows the flags and examples of a verb.", ctx.Model.Name))
		}
		if _, err := io.WriteString(ctx.Stdout, h.String()); err != nil {
			return fmt.Errorf("print help: %w", err)
		}
		return nil
	}
}

func summary(t *Tongue, n *kong.Node) string {
	var out strings.Builder
	out.WriteString(n.Path())
	for _, p := range n.Positional {
		out.WriteString(" " + p.Summary())
	}
	if len(n.Children) > 0 {
		return out.String() + " " + t.Say("VERB [FLAGS]")
	}
	return out.String() + " " + t.Say("[FLAGS]")
}

type helpPage struct {
	strings.Builder
	tongue *Tongue
	paste  func(line string) string
}

func (h *helpPage) line(format string, args ...any) { _, _ = fmt.Fprintf(h, format+"\n", args...) }

func (h *helpPage) text(text string) {
	if text == "" {
		return
	}
	h.line("")
	for _, l := range Wrap(text, helpWidth) {
		h.line("%s", l)
	}
}

// rows prints names with what they mean beside them.
func (h *helpPage) rows(title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	names := 0
	for _, r := range rows {
		if w := Width(r[0]); w <= helpNames {
			names = max(names, w)
		}
	}
	h.line("")
	h.line("%s", h.tongue.Say(title))
	for _, r := range rows {
		name := r[0]
		for i, l := range Wrap(r[1], helpWidth-names-2-gap) {
			if i == 0 && Width(name) > names {
				h.line("  %s", name)
				name = ""
			}
			h.line("%s", strings.TrimRight("  "+Pad(name, names+gap)+l, " "))
			name = ""
		}
	}
}

func (h *helpPage) verbs(n *kong.Node) {
	var rows [][2]string
	for _, c := range n.Children {
		if !c.Hidden {
			rows = append(rows, [2]string{c.Name, h.tongue.Say(c.Help)})
		}
	}
	h.rows("Verbs:", rows)
}

func (h *helpPage) arguments(n *kong.Node) {
	var rows [][2]string
	for _, p := range n.Positional {
		rows = append(rows, [2]string{p.Summary(), h.meaning(p)})
	}
	h.rows("Arguments:", rows)
}

// flags prints those of the verb first, then the ones of its group if they have one, then those of every verb.
func (h *helpPage) flags(n *kong.Node) {
	var groups []string
	rows := map[string][][2]string{}
	for _, level := range n.AllFlags(true) {
		for _, f := range level {
			group := "Flags:"
			if f.Group != nil {
				group = f.Group.Title
			} else if n.Parent != nil && !slices.Contains(n.Flags, f) {
				group = "Flags of every verb:"
			}
			if rows[group] == nil {
				groups = append(groups, group)
			}
			rows[group] = append(rows[group], [2]string{h.flagName(f), h.meaning(f.Value)})
		}
	}
	for _, g := range groups {
		if g != "Flags of every verb:" {
			h.rows(g, rows[g])
		}
	}
	h.rows("Flags of every verb:", rows["Flags of every verb:"])
}

func (h *helpPage) flagName(f *kong.Flag) string {
	name := "    --" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", --" + f.Name
	}
	if f.IsBool() {
		return name
	}
	if f.PlaceHolder != "" {
		return name + " " + h.tongue.Say(f.PlaceHolder)
	}
	return name + " " + strings.ToUpper(f.Name)
}

// meaning gives the help of a flag or argument with its default and what it takes.
func (h *helpPage) meaning(v *kong.Value) string {
	out := h.tongue.Say(v.Help)
	if v.Enum != "" && strings.Trim(v.Enum, ",") != "" {
		words := strings.ReplaceAll(strings.Trim(v.Enum, ","), ",", ", ")
		if last, _ := utf8.DecodeLastRuneInString(out); screen.RuneWidth(last) == 2 {
			out += "（" + words + "）"
		} else {
			out += " (" + words + ")"
		}
	}
	if v.HasDefault && v.Default != "" {
		out = h.tongue.Say("%s (default %s)", out, v.Default)
	}
	return out
}

// examples prints lines that work when they are pasted; the words behind # are said in the tongue.
func (h *helpPage) examples(text string) {
	if text == "" {
		return
	}
	h.line("")
	h.line("%s", h.tongue.Say("Examples:"))
	var lines [][2]string
	names := 0
	for l := range strings.Lines(text) {
		command, note, _ := strings.Cut(strings.TrimRight(l, "\n"), " # ")
		if h.paste != nil {
			command = h.paste(command)
		}
		lines = append(lines, [2]string{strings.TrimRight(command, " "), strings.TrimSpace(note)})
		if note != "" {
			names = max(names, Width(strings.TrimRight(command, " ")))
		}
	}
	for _, l := range lines {
		if l[1] == "" {
			h.line("%s", l[0])
			continue
		}
		note := h.tongue.Say(l[1])
		if h.paste != nil {
			note = quotedCommand.ReplaceAllStringFunc(note, h.paste)
		}
		h.line("%s  # %s", Pad(l[0], names), note)
	}
}
