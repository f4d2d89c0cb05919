package stream_test

import (
	"testing"

	"github.com/klauspost/compress/zstd"
)

func zstdOf(t *testing.T, plain []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	return w.EncodeAll(plain, nil)
}
