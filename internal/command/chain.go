package command

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Nonces remembers which commands were taken. Use must have the nonce on disk, synced, before it says
// fresh: what happens after may be cut off by a crash and is then never run again.
type Nonces interface {
	Use(ctx context.Context, n Nonce, expiry time.Time) (fresh bool, err error)
}

// Chain is what a command is checked against: the tenant, its authority and the newest operator list.
// The zero List refuses every command.
type Chain struct {
	Tenant    tenant.ID
	Authority ed25519.PublicKey
	List      *Operators
}

// Adopt takes a newer list. An older one, or one of another tenant or authority, is refused and the list
// held so far stays.
func (c *Chain) Adopt(list []byte) error {
	o, err := ParseList(list, c.Authority)
	if err != nil {
		return err
	}
	if o.Tenant != c.Tenant {
		return refuse(ForeignTenant, "the operator list is of tenant %s, this is %s", o.Tenant, c.Tenant)
	}
	if c.List != nil && o.Generation < c.List.Generation {
		return refuse(OldList, "the operator list has generation %d, %d is already known", o.Generation, c.List.Generation)
	}
	c.List = o
	return nil
}

// Verify is a sensor's check, complete: Check, then that the command names host and was never taken
// before. The nonce is used last, so what is refused burns none.
func (c *Chain) Verify(ctx context.Context, now time.Time, host event.HostID, nonces Nonces, s Signed) (*Command, error) {
	cmd, err := c.Check(now, s)
	if err != nil {
		return nil, err
	}
	named := false
	for _, h := range cmd.Hosts {
		named = named || h == host
	}
	if !named {
		return nil, refuse(ForeignHost, "the command is for other hosts, not for %s", host)
	}
	fresh, err := nonces.Use(ctx, cmd.Nonce, cmd.Expiry)
	if err != nil {
		return nil, fmt.Errorf("remember command %s before acting: %w", cmd.Nonce, err)
	}
	if !fresh {
		return nil, refuse(Replayed, "the command %s was already taken; it is not run again", cmd.Nonce)
	}
	return cmd, nil
}

// Check is everything that needs neither a host nor a memory: form, tenant, time, signers, class,
// arguments. The server calls it before it relays, the CLI before it sends.
func (c *Chain) Check(now time.Time, s Signed) (*Command, error) {
	cmd, err := Parse(s.Canonical)
	if err != nil {
		return nil, refuse(Malformed, "%s", err)
	}
	if cmd.Tenant != c.Tenant {
		return nil, refuse(ForeignTenant, "the command is of tenant %s, this is %s", cmd.Tenant, c.Tenant)
	}
	if c.List == nil {
		return nil, refuse(UnknownKey, "no operator list is known yet, so nobody may command: set one with `yagura authority renew`")
	}
	if now.After(c.List.Expiry) {
		return nil, refuse(ListExpired, "the operator list ended at %s: renew it with `yagura authority renew`", c.List.Expiry.Format(time.RFC3339))
	}
	if cmd.Generation > c.List.Generation {
		return nil, refuse(OldList, "the command was made under operator list %d, only list %d is known here: send the newer list first", cmd.Generation, c.List.Generation)
	}
	signers, err := c.signers(now, s)
	if err != nil {
		return nil, err
	}
	if now.Add(Early).Before(cmd.NotBefore) {
		return nil, refuse(NotYetValid, "the command begins at %s, it is %s here: compare the clocks", cmd.NotBefore.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if !now.Before(cmd.Expiry) {
		return nil, refuse(Expired, "the command ended at %s, it is %s here: sign it again", cmd.Expiry.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	class, err := ClassOf(cmd.Verb, len(cmd.Hosts), c.List.HostCap)
	if err != nil {
		return nil, refuse(Malformed, "%s", err)
	}
	if cmd.Class != class {
		return nil, refuse(ClassNotAllowed, "%s on %d hosts is class %s, the command says %s", cmd.Verb, len(cmd.Hosts), class, cmd.Class)
	}
	if len(s.Arguments) > MaxArguments || sha256.Sum256(s.Arguments) != cmd.Arguments {
		return nil, refuse(WrongArguments, "the arguments are not those that were signed")
	}
	if err := checkArguments(cmd.Verb, s.Arguments); err != nil {
		return nil, refuse(WrongArguments, "%s", err)
	}
	return cmd, authorise(cmd, s.Arguments, signers)
}

// signers gives the known keys whose signatures hold. One signature that does not hold refuses all.
func (c *Chain) signers(now time.Time, s Signed) ([]*Key, error) {
	if len(s.Signatures) == 0 {
		return nil, refuse(Unsigned, "the command carries no signature")
	}
	if len(s.Signatures) > MaxSignatures {
		return nil, refuse(Malformed, "the command carries %d signatures, at most %d are read", len(s.Signatures), MaxSignatures)
	}
	var out []*Key
	for _, sig := range s.Signatures {
		k := c.List.Find(sig.KeyID)
		if k == nil {
			return nil, refuse(UnknownKey, "key %q is not in operator list %d", sig.KeyID, c.List.Generation)
		}
		if sig.Algorithm != k.Algorithm || !ed25519.Verify(k.Public, s.Canonical, sig.Signature) {
			return nil, refuse(Altered, "the signature of key %s does not fit the command", k.ID)
		}
		if now.After(k.NotAfter) {
			return nil, refuse(KeyExpired, "key %s ended at %s", k.ID, k.NotAfter.Format(time.RFC3339))
		}
		out = append(out, k)
	}
	return out, nil
}

// authorise applies the table of classes to the signers. Every signer must be allowed the class; C3 and
// C4 need two persons, C4 one of them at the command line.
func authorise(cmd *Command, arguments []byte, signers []*Key) error {
	persons := map[string]bool{}
	atCLI := false
	for _, k := range signers {
		if !k.may(cmd.Class) {
			return refuse(ClassNotAllowed, "key %s (%s) may not sign class %s", k.ID, k.Role, cmd.Class)
		}
		if len(k.Verbs) > 0 {
			granted := false
			for _, v := range k.Verbs {
				granted = granted || v == cmd.Verb
			}
			if !granted {
				return refuse(VerbNotAllowed, "key %s (%s) was not granted %s", k.ID, k.Role, cmd.Verb)
			}
		}
		if d := effect(cmd.Verb, arguments); k.Role == Automation && d > MaxAutomationEffect {
			return refuse(ClassNotAllowed, "automation key %s asks for an effect of %s, at most %s", k.ID, d, MaxAutomationEffect)
		}
		if k.Role == CLI || k.Role == Console {
			persons[k.Person] = true
		}
		atCLI = atCLI || k.Role == CLI
	}
	if cmd.Class >= C2 && len(persons) < 1 || cmd.Class >= C3 && len(persons) < 2 {
		return refuse(MoreSigners, "class %s needs %d operators, %d signed", cmd.Class, map[bool]int{true: 2, false: 1}[cmd.Class >= C3], len(persons))
	}
	if cmd.Class == C4 && !atCLI {
		return refuse(MoreSigners, "class C4 needs a signature from the command line, none is")
	}
	return nil
}
