package incident

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// Bounds of what a person writes about an incident, in characters.
const (
	MaxReason = 2000
	MaxNote   = 4000
)

// Verdict says what a closed incident was. ID is what is stored and what the API, the CLI and exports carry.
type Verdict struct {
	ID    string
	Word  Said // as a person reads it
	Means Said // one line: when to give it
}

// Verdicts lists what an incident can be closed as, in the order to offer them. It is the one list: `make
// generate` writes the console's from it, and the CLI asks it.
func Verdicts() []Verdict {
	return []Verdict{
		{"TP-malicious", Said{En: "Attack", Ja: "攻撃"}, Said{En: "An intruder or malware did this.", Ja: "侵入者またはマルウェアによるもの。"}},
		{"TP-policy-violation", Said{En: "Policy violation", Ja: "規程違反"}, Said{En: "Somebody of ours did it and was not allowed to.", Ja: "組織内の人が、許可なく行ったもの。"}},
		{"TP-authorised-test", Said{En: "Authorised test", Ja: "許可された検査"}, Said{En: "A test or exercise that was agreed on did it.", Ja: "合意済みの検査または演習によるもの。"}},
		{"BTP", Said{En: "Benign true positive", Ja: "正検知（無害）"}, Said{En: "The rule was right, and the act was allowed.", Ja: "ルールは正しく、行為は正当だったもの。"}},
		{"FP-rule-logic", Said{En: "False positive: the rule", Ja: "誤検知（ルール）"}, Said{En: "The rule matched what it was not written for.", Ja: "ルールが、本来の対象ではないものに一致した。"}},
		{"FP-bad-intel", Said{En: "False positive: the intelligence", Ja: "誤検知（脅威インテリジェンス）"}, Said{En: "An indicator or a list was wrong or out of date.", Ja: "IOC やリストが誤っていた、または古かった。"}},
		{"FP-data-error", Said{En: "False positive: the data", Ja: "誤検知（データ）"}, Said{En: "The event told something that did not happen.", Ja: "イベントの内容が事実と異なっていた。"}},
		{"Inconclusive", Said{En: "Inconclusive", Ja: "判定不能"}, Said{En: "What is known does not decide it.", Ja: "分かっていることからは決められない。"}},
	}
}

func verdictIDs() []string {
	var ids []string
	for _, v := range Verdicts() {
		ids = append(ids, v.ID)
	}
	return ids
}

// MovedError says what became of an incident after the caller had decided what to do with it.
type MovedError string

func (e MovedError) Error() string { return string(e) }

// moved says it of an incident that is not in the state from any more; empty, it may be in any.
func moved(from State, now Row) error {
	switch {
	case from == "" || from == now.State:
		return nil
	case now.State == StateClosed:
		return MovedError(fmt.Sprintf("somebody closed it meanwhile as %s, and nothing was changed: read why, then decide again", now.Verdict))
	case now.State == StateTriaging:
		return MovedError(fmt.Sprintf("%s took it meanwhile, and nothing was changed: ask, then decide again", now.Owner))
	default:
		return MovedError("it was given back or opened again meanwhile, and nothing was changed: look at it, then decide again")
	}
}

// InputError says what a person has to give differently.
type InputError string

func (e InputError) Error() string { return string(e) }

func inputf(format string, args ...any) error { return InputError(fmt.Sprintf(format, args...)) }

// Reopened is the text of the change that the server itself makes when a closed incident grows.
const Reopened = "reopened: a detection was added after it was closed"

// Change is one thing that was done to an incident: its state was set, or a note was written.
type Change struct {
	At      int64  // µs UTC
	Who     string // empty: the server itself
	State   State  // empty: a note
	Verdict string
	Text    string // the reason, or the note
}

// SetState moves an incident on: triaging claims (or reopens) it for by, new gives it back, closed needs a
// verdict and a reason and keeps its owner.
func (d *Desk) SetState(ctx context.Context, t tenant.ID, id ID, to State, verdict, reason, by string) error {
	return d.SetStateFrom(ctx, t, id, "", to, verdict, reason, by)
}

// SetStateFrom is SetState by one who decided when the incident was in the state from. When it has left that since,
// another's verdict stands or another works on it: the answer is a MovedError, and nothing is changed.
func (d *Desk) SetStateFrom(ctx context.Context, t tenant.ID, id ID, from, to State, verdict, reason, by string) error {
	if states := []State{StateNew, StateTriaging, StateClosed}; !slices.Contains(states, to) {
		return inputf("state %q is none of new, triaging, closed", to)
	}
	reason = strings.TrimSpace(reason)
	if err := bounded("the reason", reason, MaxReason); err != nil {
		return err
	}
	switch {
	case to == StateClosed && !slices.Contains(verdictIDs(), verdict):
		return inputf("verdict %q is none of %s: say what it was", verdict, strings.Join(verdictIDs(), ", "))
	case to == StateClosed && reason == "":
		return inputf("closing an incident needs a reason: say how you know")
	case to != StateClosed && verdict != "":
		return inputf("only a closed incident has a verdict")
	}
	k, _, err := d.Get(ctx, t, id)
	if err != nil {
		return err
	}
	if err := moved(from, k.Row); err != nil {
		return err
	}
	owner := by
	switch {
	case to == StateNew:
		owner = ""
	case to == StateClosed && k.Row.Owner != "":
		owner = k.Row.Owner
	}
	err = d.set(ctx, t, k.Row.ID, from, owner, Change{At: d.o.Now().UnixMicro(), Who: by, State: to, Verdict: verdict, Text: reason})
	if errors.Is(err, ErrMoved) {
		return d.SetStateFrom(ctx, t, id, from, to, verdict, reason, by) // somebody was faster after the reading: what became of it is read anew
	}
	if err != nil {
		return fmt.Errorf("set state of %s: %w", k.Row.ID, err)
	}
	d.changed(ctx, t)
	return nil
}

// set writes a state and takes it up.
func (d *Desk) set(ctx context.Context, t tenant.ID, id ID, from State, owner string, c Change) error {
	d.setting.Lock()
	defer d.setting.Unlock()
	if err := d.o.Store.SetIncidentState(ctx, t, id, from, owner, c); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, st := range d.floor(t).open {
		if st.row.ID != id {
			continue
		}
		st.row.State, st.row.Verdict, st.row.Reason, st.row.Owner, st.row.Unseen = c.State, c.Verdict, c.Text, owner, len(st.added)
		if c.State == StateClosed && len(st.added) > 0 { // what nobody could see yet is no part of the verdict
			st.row.State, st.reopen = StateNew, true
		}
	}
	return nil
}

// Note writes down what a person found out. It changes neither state nor owner.
func (d *Desk) Note(ctx context.Context, t tenant.ID, id ID, text, by string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return inputf("a note needs a text")
	}
	if err := bounded("the note", text, MaxNote); err != nil {
		return err
	}
	k, _, err := d.Get(ctx, t, id)
	if err != nil {
		return err
	}
	if err := d.o.Store.AddIncidentNote(ctx, t, k.Row.ID, Change{At: d.o.Now().UnixMicro(), Who: by, Text: text}); err != nil {
		return fmt.Errorf("keep a note on %s: %w", k.Row.ID, err)
	}
	d.changed(ctx, t)
	return nil
}

// History gives what was done to an incident and to those merged into it, oldest first.
func (d *Desk) History(ctx context.Context, t tenant.ID, id ID) ([]Change, error) {
	c, err := d.o.Store.IncidentHistory(ctx, t, id)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", id, err)
	}
	return c, nil
}

func (d *Desk) changed(ctx context.Context, t tenant.ID) {
	if d.o.OnChange != nil {
		d.o.OnChange(ctx, t)
	}
}

func bounded(what, text string, most int) error {
	if !utf8.ValidString(text) {
		return inputf("%s is not UTF-8", what)
	}
	if n := utf8.RuneCountInString(text); n > most {
		return inputf("%s has %d characters, at most %d are kept", what, n, most)
	}
	return nil
}
