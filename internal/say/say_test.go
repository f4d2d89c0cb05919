package say

import "testing"

// TestASentenceWithASemicolonIsJapanese: the console cut what an action that nobody answered says in two, and knew
// neither half.
func TestASentenceWithASemicolonIsJapanese(t *testing.T) {
	for _, english := range []string{
		"it was sent and the sensor never said how it ended; it is not run again",
		"a file system does not answer, programs on it have no hash; the sensor was stopped",
	} {
		if got := Japanese(english); latin(got) > 0 {
			t.Errorf("Japanese(%q) says %q in Japanese", english, got)
		}
	}
}
