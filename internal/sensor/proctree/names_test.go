package proctree

import (
	"net/netip"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// TestNewestQuestionNamesAnAddress: an answer counts from when its question was asked, for who asked it, and for the others.
func TestNewestQuestionNamesAnAddress(t *testing.T) {
	const at = "203.0.113.7"
	tr := tree(t, 0)
	answer := func(pid uint64, name string, asked time.Duration, addr string) {
		e := act(event.DNSQuery, pid, 1, asked)
		e.Query, e.Answers = name, []string{addr}
		tr.Apply(e)
	}
	late := func(pid uint64, name string, asked, came time.Duration) {
		e := act(event.DNSAnswer, pid, 1, came)
		e.Query, e.Answers, e.FromNS = name, []string{at}, uint64(asked)
		tr.Apply(e)
	}
	name := func(pid uint64, now time.Duration) string {
		e := act(event.NetConnect, pid, 1, now)
		e.RemoteAddr = netip.MustParseAddr(at)
		tr.Apply(e)
		return e.RemoteName
	}
	want := func(what string, pid uint64, now time.Duration, want string) {
		t.Helper()
		if got := name(pid, now); got != want {
			t.Errorf("%s: name of process %d after %s = %q; want %q", what, pid, now, got, want)
		}
	}
	answer(3, "old.test", time.Second, at)
	late(3, "slow.test", 2*time.Second, 3*time.Second)
	want("a late answer", 3, 3*time.Second, "slow.test")
	answer(4, "other.test", 4*time.Second, at)
	want("two names of one address", 3, 5*time.Second, "slow.test")
	want("two names of one address", 4, 5*time.Second, "other.test")
	want("who asked nothing", 5, 5*time.Second, "other.test")
	late(4, "slower.test", 3500*time.Millisecond, 6*time.Second)
	want("an answer to an older question", 4, 6*time.Second, "other.test")
	late(5, "own.test", 2*time.Second, 7*time.Second)
	want("the own question goes first", 5, 7*time.Second, "own.test")
	want("but not for ever", 5, 2*time.Minute, "other.test")
	answer(6, "mapped.test", 8*time.Second, "::ffff:"+at)
	want("an address in the form of IPv6", 6, 8*time.Second, "mapped.test")
}
