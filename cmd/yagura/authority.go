package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/private"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type authorityVerb struct {
	Show   authorityShowVerb   `cmd:"" default:"withargs" help:"Say who may sign what, until when, and where the keys are (default)."`
	Move   authorityMoveVerb   `cmd:"" help:"Move the authority key off this server, or the operator key."`
	Renew  authorityRenewVerb  `cmd:"" help:"Sign the operator list for another 30 days."`
	Remove authorityRemoveVerb `cmd:"" help:"Take an operator key off the list before the list ends."`
}

// authorityDir is where the first start of a server put the keys.
func (s *shell) authorityDir() string { return filepath.Join(s.data, "authority") }

// authority asks the server for what it knows; nil where none runs.
func (s *shell) authority() (*consolev1.Authority, error) {
	r, err := s.console().GetAuthority(s.ctx, connect.NewRequest(&consolev1.GetAuthorityRequest{}))
	if err != nil {
		return nil, s.explain("ask the server for the authority", err)
	}
	return r.Msg, nil
}

type authorityShowVerb struct{}

// Help shows examples.
func (authorityShowVerb) Help() string {
	return "The authority key signs the list of operators, an operator key signs orders. Hosts take only orders that a key of the newest list signed. No secret is printed.\n\n" +
		"Examples:\n  yagura authority show\n  yagura authority show --json | jq .expires"
}

// shownAuthority is what show tells, as JSON.
type shownAuthority struct {
	Tenant       string      `json:"tenant"`
	Authority    string      `json:"authority"` // key id
	AuthorityKey string      `json:"authority_key"`
	Beside       bool        `json:"authority_key_beside_server"`
	MovedTo      string      `json:"moved_to,omitempty"`
	OperatorKey  string      `json:"operator_key,omitempty"`
	ForeignHosts uint32      `json:"foreign_hosts"` // on other machines than the server
	Generation   uint64      `json:"generation"`
	Issued       string      `json:"issued"`
	Expires      string      `json:"expires"`
	HostCap      int         `json:"host_cap"`
	Keys         []shownKey  `json:"keys"`
	listed       []time.Time // when each key ends
	expiry       time.Time
}

type shownKey struct {
	ID      string   `json:"id"`
	Role    string   `json:"role"`
	Person  string   `json:"person"`
	Classes []string `json:"classes"`
	Verbs   []string `json:"verbs,omitempty"`
	Until   string   `json:"until"`
}

// Run shows.
func (authorityShowVerb) Run(s *shell) error {
	a, err := s.authority()
	if err != nil {
		return err
	}
	shown, err := s.seenAuthority(a)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(shown)
	}
	s.tellAuthority(shown)
	if time.Now().After(shown.expiry) {
		return partialf("the operator list ended at %s: renew it with `yagura authority renew`", shown.expiry.Format(time.RFC3339))
	}
	return nil
}

func (s *shell) seenAuthority(a *consolev1.Authority) (*shownAuthority, error) {
	ops, err := command.ParseList(a.OperatorList, a.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("read the server's operator list: %w", err)
	}
	pinned, moved, err := command.Pinned(s.authorityDir())
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	if pinned != nil && !pinned.Equal(ed25519.PublicKey(a.PublicKey)) {
		return nil, fmt.Errorf("read %s: %w", s.authorityDir(), command.ErrOtherAuthority)
	}
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	out := &shownAuthority{
		Tenant: ops.Tenant.String(), Authority: command.KeyID(a.PublicKey), MovedTo: moved, ForeignHosts: a.ForeignHosts,
		Generation: ops.Generation, Issued: at(ops.Issued), Expires: at(ops.Expiry), HostCap: ops.HostCap, expiry: ops.Expiry,
	}
	if file := filepath.Join(s.authorityDir(), command.AuthorityFile); isFile(file) {
		out.AuthorityKey, out.Beside = file, true
	}
	if file := filepath.Join(s.authorityDir(), command.OperatorFile); isFile(file) {
		out.OperatorKey = file
	}
	for _, k := range ops.Keys {
		x := shownKey{ID: k.ID, Role: string(k.Role), Person: k.Person, Until: at(k.NotAfter)}
		for _, c := range k.Classes {
			x.Classes = append(x.Classes, c.String())
		}
		for _, v := range k.Verbs {
			x.Verbs = append(x.Verbs, string(v))
		}
		out.Keys, out.listed = append(out.Keys, x), append(out.listed, k.NotAfter)
	}
	return out, nil
}

func (s *shell) tellAuthority(a *shownAuthority) {
	authority, operator := a.AuthorityKey, a.OperatorKey
	switch {
	case a.Beside:
		authority = s.say("%s: beside the server. Move it before you enrol hosts that matter: `yagura authority move DIR`", authority)
	case a.MovedTo != "":
		authority = s.say("not beside the server; moved to %s", a.MovedTo)
	default:
		authority = s.say("not beside the server")
	}
	if operator == "" {
		operator = s.say("not here: orders are signed with `yagura respond … --operator-key FILE`")
	}
	for _, line := range [][2]string{
		{"tenant", a.Tenant},
		{"authority", a.Authority},
		{"authority key", authority},
		{"operator key", operator},
		{"operator list", s.say("number %d, until %s", a.Generation, terminal.Clock(a.expiry.UnixMicro()))},
	} {
		s.paragraph("  "+s.say(line[0]), authorityIndent, line[1])
	}
	s.heading("WHO MAY SIGN")
	var rows [][]string
	for i, k := range a.Keys {
		may := strings.Join(k.Classes, " ")
		if len(k.Verbs) > 0 {
			may += ": " + strings.Join(k.Verbs, " ")
		}
		rows = append(rows, []string{k.ID, strings.TrimPrefix(s.say("role "+k.Role), "role "), k.Person, may, terminal.Clock(a.listed[i].UnixMicro())})
	}
	s.table([]string{"KEY", "ROLE", "PERSON", "MAY SIGN", "UNTIL"}, rows)
	s.printf("\n")
	s.wrapped(s.say("C0 reads; C1 can be undone (kill, suspend, isolate); C2 collects; C3 and C4 (scripts, more than %d hosts at once) need two persons.", a.HostCap))
}

// authorityIndent is where the values of show begin.
const authorityIndent = 18

type authorityMoveVerb struct {
	To       string `arg:"" help:"Folder or file on a disk that you take away, or that the server's machine cannot read."`
	Operator bool   `help:"Move the operator key instead: orders are then signed with --operator-key FILE."`
}

// Help shows examples.
func (authorityMoveVerb) Help() string {
	return "Who has the authority key can make anybody an operator: it is needed once a month, to renew, and nowhere else. The key is copied, read back and tried before the old file is written over and removed; nothing is written over at the new place. Flash disks may keep old bytes: if this server was ever stolen, make a new installation.\n\n" +
		"Examples:\n  yagura authority move /media/usb                   # the authority key, to a disk that you take away\n  yagura authority move --operator ~/.yagura-operator # the operator key, into a folder that is there"
}

// Run moves a key.
func (v authorityMoveVerb) Run(s *shell) error {
	dir := s.authorityDir()
	if err := private.Check(dir); err != nil {
		return fmt.Errorf("move the authority key: %w", err)
	}
	if inside, err := within(v.To, s.data); err != nil {
		return fmt.Errorf("move the authority key: %w", err)
	} else if inside {
		return usagef("%s lies in the data folder of the server: name a place outside of it, best on a disk that you take away", v.To)
	}
	// A disk that is not mounted must not become a file of that name on the server's own.
	if st, err := os.Stat(v.To); (err != nil || !st.IsDir()) && filepath.Ext(v.To) != ".key" {
		return noFolder(v.To)
	}
	move, name := command.MoveAuthority, command.AuthorityFile
	if v.Operator {
		move, name = command.MoveOperator, command.OperatorFile
	}
	if !isFile(filepath.Join(dir, name)) {
		if _, moved, err := command.Pinned(dir); err == nil && moved != "" && !v.Operator {
			return fmt.Errorf("the authority key is not here any more: it was moved to %s", moved)
		}
		return fmt.Errorf("%s is not there: it was moved before, or this is not the server's data folder", filepath.Join(dir, name))
	}
	file, err := move(dir, v.To)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"moved": name, "to": file})
	}
	s.printf("%s\n", s.say("Moved to %s, read back and tried; the old file is written over and removed.", file))
	if v.Operator {
		s.printf("%s\n\n  %s\n", s.say("The operator list and the authority's public key are beside it. Orders from now on, HOST replaced:"), s.command("respond", "isolate", "HOST", "--operator-key", file))
		s.printf("\n%s\n", s.say("From another machine: take the folder of the key there, and let ssh bring the server's socket (docs/authority.md)."))
		return nil
	}
	if sameDisk(file, s.data) {
		s.printf("%s\n", s.say("It is still on a disk of this machine: who takes the machine has it. Carry it away, and remove it here."))
	}
	s.printf("%s\n\n  %s\n", s.say("Keep a second copy in another place: a lost authority key cannot be made again. Orders go on as before. Once within 30 days bring it back for a moment, wherever it then is:"), s.command("authority", "renew", "--key", file))
	return nil
}

// keptAuthority gives the authority's folder where it is kept here; empty: the server is elsewhere, or the folder is not
// ours to write in.
func (s *shell) keptAuthority() string {
	dir := s.authorityDir()
	if st, err := os.Stat(dir); err != nil || !st.IsDir() || private.Check(dir) != nil {
		return ""
	}
	return dir
}

type authorityRenewVerb struct {
	Key string `help:"Authority key, where it was moved away." placeholder:"FILE"`
}

// Help shows examples.
func (authorityRenewVerb) Help() string {
	return "Every key that ended with the list goes on with it. Home, doctor and notices tell a week before the list ends.\n\n" +
		"Examples:\n  yagura authority renew                                    # while the key is beside the server\n  yagura authority renew --key /media/usb/authority.key     # after it was moved away"
}

// Run renews.
func (v authorityRenewVerb) Run(s *shell) error {
	const doing = "renew the operator list"
	a, err := s.authority()
	if err != nil {
		return err
	}
	dir := s.keptAuthority()
	key, err := s.authorityKey(v.Key)
	if err != nil {
		return err
	}
	owner, err := command.OpenAuthority(key, a.OperatorList, dir)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := owner.Renew(time.Now(), nil); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	list, ops := owner.List()
	if _, err := s.console().SetOperatorList(s.ctx, connect.NewRequest(&consolev1.SetOperatorListRequest{List: list})); err != nil {
		return s.explain(doing, err)
	}
	if dir != "" && v.Key != "" {
		file, err := filepath.Abs(v.Key)
		if in, _ := within(v.Key, dir); err == nil && !in {
			if err := command.NoteMoved(dir, owner.Public(), file); err != nil {
				return fmt.Errorf("%s: %w", doing, err)
			}
		}
	}
	if s.json {
		return s.printJSON(map[string]any{"generation": ops.Generation, "expires": ops.Expiry.UTC().Format(time.RFC3339)})
	}
	s.printf("%s\n", s.say("Operator list %d is signed and with the server: it holds until %s.", ops.Generation, terminal.Clock(ops.Expiry.UnixMicro())))
	if v.Key != "" {
		s.printf("%s\n", s.say("Take the authority key away again."))
	}
	return nil
}

func noFolder(path string) error {
	return fmt.Errorf("there is no folder %s: make it, or mount the disk; a file is meant when its name ends in .key", path)
}

// within says whether a path that may not be there yet lies in a folder, by whatever names.
func within(path, folder string) (bool, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return false, err
	}
	in, err := os.Stat(folder)
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", folder, err)
	}
	dir := path
	if st, err := os.Stat(path); err != nil || !st.IsDir() {
		dir = filepath.Dir(path)
	}
	if dir, err = filepath.EvalSymlinks(dir); errors.Is(err, fs.ErrNotExist) {
		return false, noFolder(filepath.Dir(path))
	} else if err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err == nil && os.SameFile(st, in) {
			return true, nil
		}
		if dir == filepath.Dir(dir) {
			return false, nil
		}
	}
}

// operator opens the operator key that signs here, with the newest list, renewed where the authority key is at hand.
func (s *shell) operator(keyFile string, now time.Time) (*command.Operator, error) {
	a, err := s.authority()
	if err != nil {
		return nil, err
	}
	dir := s.authorityDir()
	if keyFile == "" {
		if keyFile = filepath.Join(dir, command.OperatorFile); !isFile(keyFile) {
			return nil, fmt.Errorf("the operator key is not in %s: give its file with --operator-key", dir)
		}
	}
	op, err := command.LoadOperator(keyFile, a.PublicKey, a.OperatorList)
	if err != nil {
		return nil, err
	}
	left := op.Operators.Expiry.Sub(now)
	if left < listEndsSoon && isFile(filepath.Join(dir, command.AuthorityFile)) && private.Check(dir) == nil {
		owner, err := command.OpenAuthority(filepath.Join(dir, command.AuthorityFile), op.List, dir)
		if err == nil {
			err = owner.Renew(now, nil)
		}
		if err != nil {
			return nil, fmt.Errorf("renew the operator list: %w", err)
		}
		op.List, op.Operators = owner.List()
	} else if left > 0 && left < listEndsSoon {
		s.warn(s.say("The operator list ends at %s: bring the authority key for `yagura authority renew --key FILE` before.", terminal.Clock(op.Operators.Expiry.UnixMicro())))
	}
	if err := op.May(now); err != nil {
		return nil, err
	}
	if !slices.Equal(op.List, a.OperatorList) {
		if _, err := s.console().SetOperatorList(s.ctx, connect.NewRequest(&consolev1.SetOperatorListRequest{List: op.List})); err != nil {
			return nil, s.explain("hand over the operator list", err)
		}
	}
	return op, nil
}
