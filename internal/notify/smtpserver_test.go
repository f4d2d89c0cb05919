package notify_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The SMTP server of these tests is a process of its own: the test binary started again. It speaks just
// enough SMTP to accept, refuse, grey-list, hang and encrypt, and tells what it took on standard output.

const serverEnv = "YAGURA_TEST_SMTP_SERVER"

func TestMain(m *testing.M) {
	if plan := os.Getenv(serverEnv); plan != "" {
		if err := serveSMTP(plan, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// smtpPlan says how the server behaves.
type smtpPlan struct {
	Address  string // empty: a free port
	TLS      string // "", starttls, tls
	Password string // wanted with user "yagura" by PLAIN or LOGIN; empty: no authentication offered
	Greylist int    // so many first RCPT get 451
	Refuse   string // this recipient gets 550
	Hang     bool   // accept, then say nothing
}

// smtpLine is one line of the server's report.
type smtpLine struct {
	Listen string // address, on the first line
	CA     string // PEM, on the first line
	From   string
	To     []string
	Data   string
	TLS    bool
	Auth   string
}

func serveSMTP(plan string, stdin io.Reader, stdout io.Writer) error {
	var p smtpPlan
	if err := json.Unmarshal([]byte(plan), &p); err != nil {
		return err
	}
	var lc net.ListenConfig
	if p.Address == "" {
		p.Address = "127.0.0.1:0"
	}
	l, err := lc.Listen(context.Background(), "tcp", p.Address)
	if err != nil {
		return err
	}
	go func() { // end of file: the test is over
		_, _ = io.Copy(io.Discard, stdin)
		os.Exit(0)
	}()
	cert, ca, err := selfSigned()
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	var mu sync.Mutex // guards stdout and p.Greylist
	out := json.NewEncoder(stdout)
	if err := out.Encode(smtpLine{Listen: l.Addr().String(), CA: ca}); err != nil {
		return err
	}
	grey := func() bool {
		mu.Lock()
		defer mu.Unlock()
		p.Greylist--
		return p.Greylist >= 0
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if p.TLS == "tls" {
			c = tls.Server(c, config)
		}
		go smtpSession(c, p, config, grey, func(line smtpLine) {
			mu.Lock()
			defer mu.Unlock()
			_ = out.Encode(line)
		})
	}
}

func smtpSession(c net.Conn, p smtpPlan, config *tls.Config, grey func() bool, took func(smtpLine)) {
	defer func() { _ = c.Close() }()
	if p.Hang {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	line := smtpLine{TLS: p.TLS == "tls"}
	r := bufio.NewReader(c)
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	read := func() (string, bool) {
		s, err := r.ReadString('\n')
		return strings.TrimRight(s, "\r\n"), err == nil
	}
	say("220 test.example.test ESMTP")
	for {
		s, ok := read()
		if !ok {
			return
		}
		verb := strings.ToUpper(strings.SplitN(s, " ", 2)[0])
		switch verb {
		case "EHLO":
			say("250-test.example.test")
			if p.TLS == "starttls" && !line.TLS {
				say("250-STARTTLS")
			}
			if p.Password != "" {
				say("250-AUTH PLAIN LOGIN")
			}
			say("250 ENHANCEDSTATUSCODES")
		case "STARTTLS":
			say("220 go")
			t := tls.Server(c, config)
			c, r, line.TLS = t, bufio.NewReader(t), true
		case "AUTH":
			f := strings.Fields(s)
			var user, pass string
			if f[1] == "PLAIN" {
				b, _ := base64.StdEncoding.DecodeString(f[len(f)-1])
				if part := strings.Split(string(b), "\x00"); len(part) == 3 {
					user, pass = part[1], part[2]
				}
			} else {
				ask := func(prompt string) string {
					say("334 " + base64.StdEncoding.EncodeToString([]byte(prompt)))
					a, _ := read()
					b, _ := base64.StdEncoding.DecodeString(a)
					return string(b)
				}
				user, pass = ask("Username:"), ask("Password:")
			}
			if user != "yagura" || pass != p.Password {
				say("535 5.7.8 wrong")
				continue
			}
			line.Auth = f[1]
			say("235 2.7.0 welcome")
		case "MAIL":
			if p.Password != "" && line.Auth == "" {
				say("530 5.7.0 authenticate first")
				continue
			}
			line.From, line.To = between(s), nil
			say("250 2.1.0 ok")
		case "RCPT":
			switch to := between(s); {
			case to == p.Refuse:
				say("550 5.1.1 nobody of that name")
			case grey():
				say("451 4.7.1 grey-listed, come back later")
			default:
				line.To = append(line.To, to)
				say("250 2.1.5 ok")
			}
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				d, ok := read()
				if !ok {
					return
				}
				if d == "." {
					break
				}
				b.WriteString(strings.TrimPrefix(d, ".") + "\r\n")
			}
			line.Data = b.String()
			took(line)
			say("250 2.0.0 taken")
		case "RSET", "NOOP":
			say("250 2.0.0 ok")
		case "QUIT":
			say("221 2.0.0 bye")
			return
		default:
			say("502 5.5.1 what")
		}
	}
}

func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

func selfSigned() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}

// smtpServer is the running process.
type smtpServer struct {
	Host   string
	Port   int
	CAFile string
	mails  chan smtpLine
	stdin  io.Closer
	cmd    *exec.Cmd
	once   sync.Once
}

func startSMTP(t *testing.T, p smtpPlan) *smtpServer {
	t.Helper()
	plan, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), serverEnv+"="+string(plan))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{mails: make(chan smtpLine, 100), stdin: stdin, cmd: cmd}
	t.Cleanup(s.stop)
	lines := json.NewDecoder(stdout)
	var first smtpLine
	if err := lines.Decode(&first); err != nil {
		t.Fatalf("the SMTP server process did not start: %v", err)
	}
	host, port, err := net.SplitHostPort(first.Listen)
	if err != nil {
		t.Fatal(err)
	}
	s.Host = host
	if _, err := fmt.Sscan(port, &s.Port); err != nil {
		t.Fatal(err)
	}
	s.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(s.CAFile, []byte(first.CA), 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.mails)
		for {
			var m smtpLine
			if lines.Decode(&m) != nil {
				return
			}
			s.mails <- m
		}
	}()
	return s
}

func (s *smtpServer) stop() {
	s.once.Do(func() {
		_ = s.stdin.Close()
		_ = s.cmd.Wait()
	})
}

// next waits for a mail.
func (s *smtpServer) next(t *testing.T) smtpLine {
	t.Helper()
	select {
	case m, ok := <-s.mails:
		if !ok {
			t.Fatal("the SMTP server process ended")
		}
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("no mail within 20 s")
	}
	return smtpLine{}
}
