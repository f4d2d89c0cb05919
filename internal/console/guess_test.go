package console_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/pquerna/otp/totp"

	"github.com/yagura-edr/yagura/internal/console"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
)

// Five wrong guesses with the name of the only user locked it for a quarter of an hour, 21 with any names everybody, and
// guesses kept the password check busy, so that the right password waited behind them.
func TestGuessersAtFullSpeedHoldNobodyUp(t *testing.T) {
	r := serve(t, console.Backend{})
	ask := func(client *http.Client, q *consolev1.OpenRequest) (*consolev1.SessionResponse, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		a, err := consolev1connect.NewSignInClient(client, r.url).Open(ctx, connect.NewRequest(q))
		if err != nil {
			return nil, err
		}
		return a.Msg, nil
	}
	if left := 30 - time.Now().Unix()%30; left < 4 {
		time.Sleep(time.Duration(left+1) * time.Second) // a step of the codes is about to end
	}
	begin := time.Now()
	code := func(secret string, steps int) string {
		c, err := totp.GenerateCode(secret, begin.Add(time.Duration(steps)*30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	link, err := r.desk.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sign := consolev1connect.NewSignInClient(http.DefaultClient, r.url)
	offer, err := sign.Begin(t.Context(), connect.NewRequest(&consolev1.BeginRequest{Link: link}))
	if err != nil {
		t.Fatal(err)
	}
	secret := offer.Msg.GetTotpSecret()
	first, err := sign.Finish(t.Context(), connect.NewRequest(&consolev1.FinishRequest{
		Link: link, Name: "y.sato", Password: "correct horse battery", TotpCode: code(secret, -1), TotpSecret: secret,
	}))
	if err != nil {
		t.Fatal(err)
	}

	stop, end := context.WithCancel(t.Context())
	var guesses, opened atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer end()
	for i := range 24 {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(1+i%5), 0, byte(1+i))}}
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, "tcp4", "127.0.0.1:"+port)
		}}}
		wg.Go(func() {
			for n := 0; stop.Err() == nil; n++ {
				q := &consolev1.OpenRequest{Name: "y.sato", Password: "wrong wrong wrong", TotpCode: strconv.Itoa(100000 + n)}
				switch i % 4 {
				case 1:
					q.Name = "nobody-" + strconv.Itoa(n)
				case 2:
					q.NextCode = strconv.Itoa(200000 + n)
				case 3:
					q.Device = "a made up device"
				}
				if _, err := ask(client, q); err == nil {
					opened.Add(1)
				} else if c := connect.CodeOf(err); c == connect.CodeUnauthenticated || c == connect.CodeFailedPrecondition {
					guesses.Add(1)
				} else if c == connect.CodeUnavailable || c == connect.CodeUnknown {
					time.Sleep(time.Millisecond) // the connection was pushed out
				} else if stop.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a guess was answered with %v", err)
					return
				}
			}
		})
	}
	// And connections that say nothing, to push out those of others.
	for range 4 {
		wg.Go(func() {
			var held []net.Conn
			defer func() {
				for _, c := range held {
					_ = c.Close()
				}
			}()
			for stop.Err() == nil {
				c, err := net.Dial("tcp", strings.TrimPrefix(strings.Replace(r.url, "localhost", "127.0.0.1", 1), "http://"))
				if err != nil {
					continue
				}
				_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n")
				if held = append(held, c); len(held) > 200 {
					_ = held[0].Close()
					held = held[1:]
				}
			}
		})
	}
	time.Sleep(2 * time.Second)
	at := time.Now()
	known, err := ask(http.DefaultClient, &consolev1.OpenRequest{Name: "y.sato", Password: "correct horse battery", TotpCode: code(secret, 0), Device: first.Msg.GetDevice()})
	if took := time.Since(at); err != nil || took > 3*time.Second {
		t.Errorf("the known browser among guessers: %v, after %s; want a session within 3 s", err, took)
	} else {
		t.Logf("the known browser signed in after %s, among %d guesses", took, guesses.Load())
	}
	time.Sleep(time.Second) // the guessers take the name's guesses that the sign-in gave back
	at = time.Now()
	stranger := &consolev1.OpenRequest{Name: "y.sato", Password: "correct horse battery", TotpCode: code(secret, 0)}
	if _, err := ask(http.DefaultClient, stranger); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("a new browser with one code among guessers = %v; want to be asked for two", err)
	}
	stranger.NextCode = code(secret, 1) // a person waits for it, half a minute at most
	if _, err := ask(http.DefaultClient, stranger); err != nil {
		t.Errorf("a new browser with two codes among guessers = %v; want a session", err)
	}
	t.Logf("a new browser signed in after %s besides the wait for its second code", time.Since(at))
	end()
	wg.Wait()
	if opened.Load() > 0 {
		t.Errorf("%d guesses opened a session", opened.Load())
	}
	t.Logf("%d guesses in %s", guesses.Load(), time.Since(begin))
	if known != nil {
		rows, err := r.db.Access().Audit(t.Context(), r.desk.Tenant(), 10_000)
		if err != nil || len(rows) > 200 {
			t.Errorf("the audit holds %d rows, %v", len(rows), err)
		}
	}
}

// A program that had the port before left a worker that answered for the console for good.
func TestAServiceWorkerOfAnotherIsTakenOut(t *testing.T) {
	r := serve(t, console.Backend{})
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/any/old-worker.js", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Service-Worker", "script")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/javascript") || !strings.Contains(string(b), "unregister()") {
		t.Errorf("the script of a worker = %d %q, %v; want one that ends it", a.StatusCode, b, err)
	}
}
