//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// authority signs the certificates of every name in the world, for one run.
type authority struct{ certificate, key string }

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the room's world"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the world's authority: %w", err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &authority{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}))}, nil
}

// startWorld starts the simulator in this network, with the machine's files before its eyes, and waits until it listens.
func startWorld(o *order) error {
	ready, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = ready.Close() }()
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", "world")
	cmd.Args[0] = "world"
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(b)), os.Stderr
	cmd.ExtraFiles = []*os.File{tell}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	err = cmd.Start()
	_ = tell.Close()
	if err != nil {
		return fmt.Errorf("start the world: %w", err)
	}
	if n, err := ready.Read(make([]byte, 1)); n != 1 {
		return fmt.Errorf("the world did not start: %w", err)
	}
	return nil // it ends with the room, whose first process this is
}

// Ports of the world beside DNS. What listens to nothing in particular takes what it is sent.
var (
	plainPorts = []int{80, 3128, 8000, 8008, 8080, 8081, 8088, 9000}
	tlsPorts   = []int{443, 8443, 9443}
	sinkPorts  = []int{21, 23, 25, 110, 143, 389, 445, 587, 636, 1337, 1433, 3306, 3389, 4444, 5432, 5555, 6667, 9001, 31337}
)

func world() error {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	errs := make(chan error, 64)
	names, err := net.ListenPacket("udp4", "0.0.0.0:53")
	if err != nil {
		return err
	}
	go func() { errs <- answer(names.(*net.UDPConn), o.Names) }()
	handler := &site{data: o.Data}
	issue, err := issuer(o.Certificate, o.Key)
	if err != nil {
		return err
	}
	for _, port := range plainPorts {
		l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			return err
		}
		go func() { errs <- http.Serve(l, handler) }()
	}
	for _, port := range tlsPorts {
		l, err := tls.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port), &tls.Config{GetCertificate: issue})
		if err != nil {
			return err
		}
		go func() { errs <- http.Serve(l, handler) }()
	}
	for _, port := range sinkPorts {
		l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			return err
		}
		go func() { errs <- sink(l) }()
	}
	if _, err := os.NewFile(3, "ready").WriteString("."); err != nil {
		return err
	}
	return <-errs
}

// sink takes whatever is sent and says nothing.
func sink(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.Copy(io.Discard, c)
		}()
	}
}

// issuer makes a certificate for whatever name is asked for.
func issuer(certificate, key string) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		return nil, err
	}
	ca, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, err
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := h.ServerName
		if name == "" {
			name = "localhost"
		}
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, ca, own.Public(), pair.PrivateKey)
		if err != nil {
			return nil, err
		}
		return &tls.Certificate{Certificate: [][]byte{der, pair.Certificate[0]}, PrivateKey: own}, nil
	}, nil
}

// answer is the world's only name server. A name exists when it, or what it is part of, is well known.
func answer(c *net.UDPConn, names []string) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	if err := raw.Control(func(fd uintptr) { serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1) }); err != nil || serr != nil {
		return errors.Join(err, serr)
	}
	buf, oob := make([]byte, 4096), make([]byte, 128)
	for {
		n, on, _, from, err := c.ReadMsgUDP(buf, oob)
		if err != nil {
			return err
		}
		reply, err := resolve(buf[:n], names)
		if err != nil {
			continue
		}
		// The answer comes from the address that was asked.
		_, _, _ = c.WriteMsgUDP(reply, sourceOf(oob[:on]), from)
	}
}

func sourceOf(oob []byte) []byte {
	msgs, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range msgs {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12 {
			var info unix.Inet4Pktinfo
			copy(info.Spec_dst[:], m.Data[8:12])
			return unix.PktInfo4(&info)
		}
	}
	return nil
}

func resolve(query []byte, names []string) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	known := false
	for _, n := range names {
		known = known || name == n || strings.HasSuffix(name, "."+n) || strings.HasSuffix(n, "."+name)
	}
	h := dnsmessage.Header{ID: head.ID, Response: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true}
	if !known {
		h.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, h)
	if err := errors.Join(b.StartQuestions(), b.Question(q), b.StartAnswers()); err != nil {
		return nil, err
	}
	if known && q.Type == dnsmessage.TypeA {
		if err := b.AResource(dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}, dnsmessage.AResource{A: addressOf(name)}); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// addressOf gives a name an address that looks like one of the Internet's, always the same.
func addressOf(name string) [4]byte {
	sum := uint32(2166136261)
	for _, c := range []byte(name) {
		sum = (sum ^ uint32(c)) * 16777619
	}
	return [4]byte{byte(60 + sum%60), byte(sum >> 8), byte(sum >> 16), byte(1 + (sum>>24)%250)}
}
