package main

import "testing"

// TestASentenceWithASemicolonIsJapanese: the console cut what an action that nobody answered says in two, and knew
// neither half.
func TestASentenceWithASemicolonIsJapanese(t *testing.T) {
	for _, english := range []string{
		"it was sent and the sensor never said how it ended; it is not run again",
		"a file system does not answer, programs on it have no hash; the sensor was stopped",
	} {
		if got := inBoth(english).Ja; latin(got) > 0 {
			t.Errorf("inBoth(%q) says %q in Japanese", english, got)
		}
	}
}

// TestAnIsolationThatIsNotProvenIsToldApart: the console drew it green, as one that is.
func TestAnIsolationThatIsNotProvenIsToldApart(t *testing.T) {
	for proof, want := range map[string]bool{
		`{"means":"cgroup","proven":true}`:                                    false,
		`{"means":"cgroup","proven":false,"not_proven":"no interface is up"}`: true,
		"": false, "not JSON": false,
	} {
		if got := notProven(proof); got != want {
			t.Errorf("notProven(%s) = %v; want %v", proof, got, want)
		}
	}
}
