package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// AdminName is the socket's name in the data directory.
const AdminName = "admin.sock"

// AdminSocket listens on DIR/admin.sock. It hands out only connections whose other end runs as the owner
// of DIR or as root, as the kernel tells it.
type AdminSocket struct {
	*net.UnixListener
	dir   *os.File
	owner uint32
}

// ListenAdmin makes DIR/admin.sock (0600). The caller holds the lock of dir, so a socket that stands there
// is a leftover. The path goes through /proc/self/fd: a socket's address has room for 107 bytes only.
func ListenAdmin(dir string) (*AdminSocket, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	a, err := listenAdmin(d)
	if err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("listen on %s/%s: %w", dir, AdminName, err)
	}
	return a, nil
}

func listenAdmin(d *os.File) (*AdminSocket, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return nil, fmt.Errorf("read its owner: %w", err)
	}
	if st.Mode&0o067 != 0 { // a group may pass: the one of the workers, which nobody is in
		return nil, fmt.Errorf("others may enter the directory (mode %o): run chmod 700 on it", st.Mode&0o777)
	}
	path := fdPath(d, AdminName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("protect it: %w", err)
	}
	return &AdminSocket{UnixListener: l, dir: d, owner: st.Uid}, nil
}

func fdPath(d *os.File, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/" + name
}

// peer is a connection whose other end's user is known.
type peer struct {
	net.Conn
	caller
}

// Accept waits for a connection of the owner or root; every other one is closed unread.
func (a *AdminSocket) Accept() (net.Conn, error) {
	for {
		c, err := a.AcceptUnix()
		if err != nil {
			return nil, err // as it is: http.Server compares it
		}
		who, err := userOf(c)
		if err != nil || who.uid != a.owner && who.uid != 0 {
			_ = c.Close()
			continue
		}
		return &peer{Conn: c, caller: who}, nil
	}
}

// Close ends listening and removes the socket.
func (a *AdminSocket) Close() error {
	return errors.Join(a.UnixListener.Close(), a.dir.Close())
}

func (a *AdminSocket) connContext(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.(*peer); ok {
		return context.WithValue(ctx, uidKey{}, p.caller)
	}
	return ctx
}

func userOf(c *net.UnixConn) (caller, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return caller{}, fmt.Errorf("look at a caller: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return caller{}, fmt.Errorf("look at a caller: %w", err)
	}
	if credErr != nil {
		return caller{}, fmt.Errorf("look at a caller: %w", credErr)
	}
	return caller{uid: cred.Uid, login: loginOf(cred.Pid)}, nil
}

// loginOf reads who logged in at the start of a process's session. The caller waits for its connection to be taken, so
// its pid is not another's by now.
func loginOf(pid int32) uint32 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/loginuid")
	if err != nil {
		return noLogin
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	if err != nil {
		return noLogin
	}
	return uint32(n)
}

// dialAdmin connects to the server of a folder. Only what the folder's owner or root listens with is spoken to, and
// only in a folder of this user or root; root itself speaks to everybody's.
func dialAdmin(ctx context.Context, dir string) (net.Conn, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	defer func() { _ = d.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return nil, fmt.Errorf("look at the data directory: %w", err)
	}
	me := uint32(os.Geteuid())
	if me != 0 && st.Uid != me && st.Uid != 0 || st.Mode&0o022 != 0 {
		return nil, fmt.Errorf("%s (mode %o) is another user's, or others can write in it: %w", dir, st.Mode&0o777, os.ErrPermission)
	}
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", fdPath(d, AdminName))
	if err != nil {
		return nil, err
	}
	who, err := userOf(c.(*net.UnixConn))
	if err != nil || who.uid != st.Uid && who.uid != 0 {
		return nil, errors.Join(fmt.Errorf("%s/%s is served by user %d: %w", dir, AdminName, who.uid, os.ErrPermission), err, c.Close())
	}
	return c, nil
}
