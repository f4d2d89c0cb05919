package console

import (
	"os/user"
	"testing"
)

// Everything done through the command line was signed local:0, whoever typed it.
func TestAdminSocketNamesThePerson(t *testing.T) {
	if _, err := user.LookupId("1"); err != nil {
		t.Skip("this machine names no accounts")
	}
	one, err := user.LookupId("1")
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range map[caller]string{
		{uid: 0, login: noLogin}:       "local:root",
		{uid: 0, login: 0}:             "local:root",
		{uid: 0, login: 1}:             "local:root (" + one.Username + ")",
		{uid: 4123456, login: noLogin}: "local:4123456",
	} {
		if got := personOf(c); got != want {
			t.Errorf("personOf(%+v) = %q; want %q", c, got, want)
		}
	}
}
