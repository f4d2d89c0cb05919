package command

import "fmt"

// Reason is why a command, an operator list or a token is refused; it is an error for errors.Is, its text
// is a word that outcomes and events carry.
type Reason string

// The reasons.
const (
	Malformed       Reason = "malformed"
	Unsigned        Reason = "unsigned"
	Altered         Reason = "altered"
	Replayed        Reason = "replayed"
	Expired         Reason = "expired"
	NotYetValid     Reason = "not yet valid"
	ForeignTenant   Reason = "foreign tenant"
	ForeignHost     Reason = "foreign host"
	UnknownKey      Reason = "unknown key"
	KeyExpired      Reason = "key expired"
	ClassNotAllowed Reason = "class not allowed"
	VerbNotAllowed  Reason = "verb not allowed"
	WrongArguments  Reason = "wrong arguments"
	MoreSigners     Reason = "more signers needed"
	OldList         Reason = "old operator list"
	ListExpired     Reason = "operator list expired"
	ForeignAuthor   Reason = "foreign authority"
)

// Error gives the word.
func (r Reason) Error() string { return string(r) }

// Refusal is a refused command or list: one sentence for people, a Reason for programs.
type Refusal struct {
	Reason   Reason
	Sentence string
}

// Error gives the sentence.
func (r *Refusal) Error() string { return r.Sentence }

// Unwrap gives the reason, so that errors.Is(err, Replayed) works.
func (r *Refusal) Unwrap() error { return r.Reason }

func refuse(r Reason, format string, args ...any) error {
	return &Refusal{Reason: r, Sentence: fmt.Sprintf(format, args...)}
}

// flaw is something that is not of the form it must have: its sentence says all, and it is Malformed for programs.
type flaw struct{ error }

// Unwrap gives what the sentence wraps, and the reason.
func (f *flaw) Unwrap() []error { return []error{f.error, Malformed} }

func flawf(format string, args ...any) error { return &flaw{fmt.Errorf(format, args...)} }
