package agent

import (
	"strings"
	"testing"
)

func TestNonceOfACanaryIsNoFlag(t *testing.T) {
	for s, want := range map[string]bool{"abcDEF012_-x": true, "": false, "short": false, "--config=/etc/shadow": false, "a b c d e f g": false, strings.Repeat("a", 129): false} {
		if got := validNonce(s); got != want {
			t.Errorf("validNonce(%q) = %v; want %v", s, got, want)
		}
	}
}
