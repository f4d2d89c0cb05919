package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type authorityRemoveVerb struct {
	ID  string `arg:"" name:"id" help:"Id of the operator key, as \"yagura authority show\" prints it under KEY."`
	New string `help:"Make a new operator key in its place: a folder that is there, or a file NAME.key." placeholder:"FILE"`
	Key string `help:"Authority key, where it was moved away." placeholder:"FILE"`
}

// Help shows examples.
func (authorityRemoveVerb) Help() string {
	return "For an operator key that was stolen or lost, or whose holder has left. The authority key signs the list anew without it, for another 30 days. The server refuses its orders at once, each host as soon as it has met the new list; none takes an older list again. What it ordered before stays in force.\n\n" +
		"Examples:\n  yagura authority show                                   # which keys there are\n  yagura authority remove 0123456789abcdef --new ~/hand2  # the only key: a new one takes its place\n  yagura authority remove 0123456789abcdef --key /media/usb/authority.key"
}

// Run removes a key.
func (v authorityRemoveVerb) Run(s *shell) error {
	const doing = "take the key off the operator list"
	a, err := s.authority()
	if err != nil {
		return err
	}
	dir := s.keptAuthority()
	key, err := s.authorityKey(v.Key)
	if err != nil {
		return err
	}
	owner, err := command.OpenAuthority(key, a.OperatorList, "")
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	var made *command.NewKey
	if v.New != "" {
		if _, ops := owner.List(); ops.Find(v.ID) == nil {
			return fmt.Errorf("%s: key %.64q: %w", doing, v.ID, command.ErrUnlisted)
		}
		if made, err = v.make(s, owner); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	list, ops, err := v.sign(s, owner, made)
	if err != nil {
		if made != nil {
			err = errors.Join(err, made.Drop())
		}
		return err
	}
	// The list is in force: from here on nothing is taken back.
	place, wiped := "", false
	if made != nil {
		place, err = made.File, made.Place()
		if err == nil && filepath.Dir(place) != dir {
			err = command.Accompany(place, list, owner.Public())
		}
	}
	if err == nil && dir != "" {
		wiped, err = command.Settle(dir, list, v.ID, place)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if s.json {
		return s.printJSON(map[string]any{"removed": v.ID, "generation": ops.Generation, "expires": ops.Expiry.UTC().Format(time.RFC3339), "new_key": place})
	}
	s.printf("%s\n", s.say("Key %s is off the list. The server refuses its orders from now on, hosts that are connected within seconds, others when they come back.", v.ID))
	s.printf("%s\n", s.say("Operator list %d is signed and with the server: it holds until %s.", ops.Generation, terminal.Clock(ops.Expiry.UnixMicro())))
	if wiped {
		s.printf("%s\n", s.say("Its file beside the server was removed."))
	}
	if place != "" {
		s.printf("%s\n", s.say("The new operator key is %s.", place))
	}
	if v.Key != "" {
		s.printf("%s\n", s.say("Take the authority key away again."))
	}
	return nil
}

// make makes the new key in a place that is not among the server's own files, but where the first one was.
func (v authorityRemoveVerb) make(s *shell, owner *command.Authority) (*command.NewKey, error) {
	inside, err := within(v.New, s.data)
	if err != nil {
		return nil, err
	}
	beside, err := within(v.New, s.authorityDir())
	if inside && (err != nil || !beside) {
		return nil, usagef("%s lies in the data folder of the server: name a place outside of it, best on a disk that you take away", v.New)
	}
	if st, err := os.Stat(v.New); (err != nil || !st.IsDir()) && filepath.Ext(v.New) != ".key" {
		return nil, noFolder(v.New)
	}
	return command.MakeOperator(v.New, v.ID, owner.Public())
}

// sign makes the list and hands it to the server.
func (v authorityRemoveVerb) sign(s *shell, owner *command.Authority, made *command.NewKey) ([]byte, *command.Operators, error) {
	const doing = "take the key off the operator list"
	var err error
	if made != nil {
		err = owner.Remove(time.Now(), v.ID, made.Public)
	} else {
		err = owner.Remove(time.Now(), v.ID, nil)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", doing, err)
	}
	list, ops := owner.List()
	if _, err := s.console().SetOperatorList(s.ctx, connect.NewRequest(&consolev1.SetOperatorListRequest{List: list})); err != nil {
		return nil, nil, s.explain(doing, err)
	}
	return list, ops, nil
}

// authorityKey gives the file of the authority key: the one that was named, or the one beside the server.
func (s *shell) authorityKey(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	key := filepath.Join(s.authorityDir(), command.AuthorityFile)
	if isFile(key) {
		return key, nil
	}
	if _, moved, err := command.Pinned(s.authorityDir()); err == nil && moved != "" {
		return "", usagef("the authority key was moved to %s: bring it and give its file with --key", moved)
	}
	return "", usagef("the authority key is not beside the server: give its file with --key")
}
