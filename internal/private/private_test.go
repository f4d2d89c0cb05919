//go:build linux

package private_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/yagura-edr/yagura/internal/private"
)

// mallory is a user of no rights who prepares what root then opens.
const mallory = 64123

// malloryMakes runs a line of a shell as mallory in a folder that is hers.
func malloryMakes(t *testing.T, line string) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user for a moment")
	}
	open := t.TempDir()
	for d := open; d != "/" && d != "/tmp"; d = filepath.Dir(d) { // she must get there
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir = filepath.Join(open, "mallory")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, mallory, mallory)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: mallory, Gid: mallory}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mallory: %v\n%s", err, out)
	}
	return dir
}

func TestAFolderOfAnotherUserIsRefused(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := malloryMakes(t, "mkdir data open && ln -s "+secret+" data/pid && chmod 777 open && ln -s data link && mkdir -m 700 deep")
	for _, path := range []string{"data", "data/new/folder", "deep/new", "open", "link", "open/new", "data/../data"} {
		if _, err := private.Make(filepath.Join(dir, path)); !errors.Is(err, private.ErrForeign) {
			t.Errorf("Make(%s) = %v; want refused", path, err)
		}
		if err := private.Check(filepath.Join(dir, path)); err == nil {
			t.Errorf("Check(%s) = nil; want refused", path)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "data/new")); err == nil {
		t.Error("a folder was made in mallory's")
	}
	st, err := os.Stat(filepath.Join(dir, "data"))
	if err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("mallory's folder has mode %o now", st.Mode().Perm())
	}
	if b, _ := os.ReadFile(secret); string(b) != "root's" {
		t.Errorf("the file behind her link holds %q", b)
	}
	// Given to root with all that is in it, her links are still hers.
	if err := os.Lchown(filepath.Join(dir, "data"), 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(dir, 0, 0), os.Lchown(filepath.Join(dir, "data/pid"), 0, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := private.Make(filepath.Join(dir, "data")); !errors.Is(err, private.ErrForeign) || !strings.Contains(err.Error(), "data/pid") {
		t.Errorf("Make with a link inside = %v; want refused", err)
	}
}

func TestThingsOfOthersInsideAreRefused(t *testing.T) {
	for name, line := range map[string]string{
		"folder": "mkdir data data/authority", "file": "mkdir data && touch data/control.db", "deep": "mkdir -p data/log/00 && touch data/log/00/x",
	} {
		dir := malloryMakes(t, line)
		if err := errors.Join(os.Chown(dir, 0, 0), os.Chown(filepath.Join(dir, "data"), 0, 0)); err != nil {
			t.Fatal(err)
		}
		if name == "deep" { // what root would give itself with a chown that is not recursive to the end
			if err := errors.Join(os.Chown(filepath.Join(dir, "data/log"), 0, 0), os.Chown(filepath.Join(dir, "data/log/00"), 0, 0)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := private.Make(filepath.Join(dir, "data")); !errors.Is(err, private.ErrForeign) {
			t.Errorf("%s: Make = %v; want refused", name, err)
		}
	}
}

// A server of root gave folders to its workers, and its next start refused them as another user's.
func TestWhatRootGaveToItsWorkersIsItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	hot := filepath.Join(dir, "hot")
	if err := errors.Join(os.Mkdir(hot, 0o700), os.Chown(hot, private.Worker, private.Worker)); err != nil {
		t.Fatal(err)
	}
	if _, err := private.Make(dir); err != nil {
		t.Errorf("Make of a folder that holds one of the workers = %v", err)
	}
	// A server runs there, and somebody starts a second one.
	if err := errors.Join(os.Chown(dir, 0, private.Worker), os.Chmod(dir, 0o710)); err != nil {
		t.Fatal(err)
	}
	if _, err := private.Make(dir); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o710 {
		t.Errorf("the folder that workers pass has mode %v, %v; want 0710", st.Mode(), err)
	}
	if err := os.Symlink("/etc", filepath.Join(hot, "out")); err != nil {
		t.Fatal(err)
	}
	if _, err := private.Make(dir); !errors.Is(err, private.ErrForeign) {
		t.Errorf("Make with a link in a folder of the workers = %v; want ErrForeign", err)
	}
}

func TestTheWayIsNobodyElses(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(top, "shared")
	if err := os.Mkdir(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	make := func(mode os.FileMode) error {
		t.Helper()
		if err := os.Chmod(shared, mode); err != nil {
			t.Fatal(err)
		}
		_, err := private.Make(filepath.Join(shared, "data"))
		return err
	}
	if err := make(0o777); !errors.Is(err, private.ErrForeign) {
		t.Errorf("below a folder that all can write in: %v; want refused", err)
	}
	if _, err := os.Stat(filepath.Join(shared, "data")); err == nil {
		t.Error("it was made all the same")
	}
	if err := make(0o777 | os.ModeSticky); err != nil {
		t.Errorf("below a folder like /tmp: %v", err)
	}
	if err := make(0o755); err != nil {
		t.Errorf("below a folder that others can read: %v", err)
	}
	// A link of this user's own is followed, and what is given back does not go through it.
	link := filepath.Join(top, "link")
	if err := os.Symlink("shared/../shared", link); err != nil {
		t.Fatal(err)
	}
	if got, err := private.Make(filepath.Join(link, "data")); err != nil || got != filepath.Join(shared, "data") {
		t.Errorf("Make through a link = %q, %v; want %s", got, err, filepath.Join(shared, "data"))
	}
	if err := os.Symlink("round", filepath.Join(top, "round")); err != nil {
		t.Fatal(err)
	}
	if _, err := private.Make(filepath.Join(top, "round", "x")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link to itself: %v", err)
	}
}

func TestWideModesAreMended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	wide := filepath.Join(dir, "log", "control.db")
	if err := errors.Join(os.MkdirAll(filepath.Dir(wide), 0o755), os.WriteFile(wide, nil, 0o644), os.Chmod(filepath.Dir(wide), 0o777), os.Chmod(wide, 0o666)); err != nil {
		t.Fatal(err)
	}
	if _, err := private.Make(dir); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Dir(wide): 0o700, wide: 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s has mode %o; want %o", path, st.Mode().Perm(), want)
		}
	}
}

// A folder that is exchanged again and again while it is looked at is either refused or was mallory's at no moment.
func TestAFolderSwappedAfterTheCheckIsNotUsed(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.Mkdir(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := malloryMakes(t, "mkdir data")
	stop := make(chan struct{})
	done := make(chan error, 1)
	cmd := exec.Command("/bin/sh", "-c", "while :; do mv data away; ln -s "+secret+" data; rm data; mv away data; done")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: mallory, Gid: mallory}, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { <-stop; _ = cmd.Process.Kill(); done <- cmd.Wait() }()
	for range 2000 {
		if path, err := private.Make(filepath.Join(dir, "data", "sub")); err == nil {
			t.Fatalf("Make gave %s", path)
		}
	}
	close(stop)
	<-done //nolint:errcheck // killed
	if e, _ := os.ReadDir(secret); len(e) != 0 {
		t.Errorf("root's folder holds %v", e)
	}
}

func TestReadFileTakesNoLinksAndNoPipes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "status.json")
	if err := errors.Join(os.WriteFile(file, []byte("{}"), 0o600), os.Symlink(file, filepath.Join(dir, "link")), syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if b, err := private.ReadFile(file); err != nil || string(b) != "{}" {
		t.Errorf("ReadFile = %q, %v", b, err)
	}
	for _, name := range []string{"link", "pipe", "."} {
		if _, err := private.ReadFile(filepath.Join(dir, name)); err == nil {
			t.Errorf("ReadFile(%s) = nil; want refused", name)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(file, mallory, mallory); err != nil {
			t.Fatal(err)
		}
		if _, err := private.ReadFile(file); !errors.Is(err, private.ErrForeign) {
			t.Errorf("ReadFile of user %s's = %v; want refused", strconv.Itoa(mallory), err)
		}
	}
}

func BenchmarkMake(b *testing.B) {
	dir := b.TempDir()
	for i := range 20000 {
		sub := filepath.Join(dir, strconv.Itoa(i/100))
		if err := errors.Join(os.MkdirAll(sub, 0o700), os.WriteFile(filepath.Join(sub, strconv.Itoa(i)), nil, 0o600)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := private.Make(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// up runs as its user and starts the sensor through sudo, whose data is root's inside that user's folder.
func TestWhoBecameRootThroughSudoIsTrustedWithTheWay(t *testing.T) {
	dir := malloryMakes(t, "mkdir hers")
	t.Setenv("SUDO_UID", strconv.Itoa(mallory))
	if _, err := private.Make(filepath.Join(dir, "sensor")); err != nil {
		t.Errorf("a new folder in the user's own: %v", err)
	}
	if _, err := private.Make(filepath.Join(dir, "hers")); !errors.Is(err, private.ErrForeign) {
		t.Errorf("the user's own folder as root: %v; want refused", err)
	}
	t.Setenv("SUDO_UID", strconv.Itoa(mallory+1))
	if _, err := private.Make(filepath.Join(dir, "sensor")); !errors.Is(err, private.ErrForeign) {
		t.Errorf("another one's through sudo: %v; want refused", err)
	}
}
