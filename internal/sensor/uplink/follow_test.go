package uplink_test

import (
	"path/filepath"
	"testing"

	"github.com/yagura-edr/yagura/internal/sensor/identity"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

// TestAnEnrolledHostFollowsItsServerToAnotherPort, and no other server.
func TestAnEnrolledHostFollowsItsServerToAnotherPort(t *testing.T) {
	s := newServer(t, true)
	dir := filepath.Join(t.TempDir(), "identity")
	id, err := uplink.Enroll(t.Context(), dir, s.token(), uplink.Facts{Hostname: []byte("h"), Version: "test"}, uplink.Proxy{})
	if err != nil {
		t.Fatal(err)
	}
	foreign := s.token()
	foreign.URL, foreign.CA = "https://192.0.2.1:1", [32]byte{1}
	if moved, err := id.Follow(foreign); moved || err != nil {
		t.Errorf("followed a foreign server: %v, %v", moved, err)
	}
	next := s.token()
	next.URL = "https://127.0.0.1:2"
	if moved, err := id.Follow(next); !moved || err != nil {
		t.Errorf("Follow = %v, %v; want it to move", moved, err)
	}
	if again, err := identity.Load(dir); err != nil || again.URL != next.URL {
		t.Errorf("after a restart: %v, %v", again, err)
	}
}
