package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
)

// A certificate was renewed in the moment in which a new operator list came: the list of before was written after it,
// and after a restart an operator who had been taken off it could give orders again.
func TestARenewalDoesNotBringAnOlderOperatorListBack(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{Raw: []byte("a certificate")}
	writing := make(chan struct{})
	var second atomic.Bool
	id := &Identity{CA: c, cert: c, Key: key, dir: t.TempDir(), list: []byte("old")}
	id.replace = func(path string, b []byte) error {
		if !second.Swap(true) {
			close(writing)
			time.Sleep(200 * time.Millisecond)
		}
		return durable.Replace(path, b)
	}
	var renewal sync.WaitGroup
	renewal.Go(func() {
		if err := id.save(); err != nil {
			t.Error(err)
		}
	})
	<-writing
	if err := id.KeepList([]byte("new")); err != nil {
		t.Fatal(err)
	}
	renewal.Wait()
	if b, err := os.ReadFile(filepath.Join(id.dir, listFile)); err != nil || string(b) != "new" {
		t.Errorf("the list is %q, %v; want the new one", b, err)
	}
}
