package main

import "testing"

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
