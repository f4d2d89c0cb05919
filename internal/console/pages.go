package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// page is one file of the built console, compressed once when the server starts.
type page struct {
	kind string
	tag  string
	raw  []byte
	gz   []byte // empty when compressing does not help
}

type pages struct{ files map[string]page }

// kindOf is our own small table: what the machine has in /etc/mime.types must not decide.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func newPages(root fs.FS) (*pages, error) {
	p := &pages{files: map[string]page{}}
	if root == nil {
		return p, nil
	}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(root, name)
		if err != nil {
			return fmt.Errorf("read page: %w", err)
		}
		sum := sha256.Sum256(raw)
		f := page{kind: kindOf(name), raw: raw, tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return fmt.Errorf("compress page %s: %w", name, err)
		}
		if _, err := z.Write(raw); err != nil {
			return fmt.Errorf("compress page %s: %w", name, err)
		}
		if err := z.Close(); err != nil {
			return fmt.Errorf("compress page %s: %w", name, err)
		}
		if b.Len() < len(raw) {
			f.gz = b.Bytes()
		}
		p.files["/"+name] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load the console's pages: %w", err)
	}
	return p, nil
}

// ServeHTTP gives a file; every other path that a person may have typed gets index.html, whose program
// reads the path.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	name := path.Clean("/" + r.URL.Path)
	f, ok := p.files[name]
	if !ok {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") || strings.HasPrefix(name, "/assets/") {
			http.NotFound(w, r)
			return
		}
		name = "/index.html"
		if f, ok = p.files[name]; !ok {
			http.Error(w, "the console was not built into this binary: run `make build`, or use the command line (`yagura incidents`)", http.StatusNotFound)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	if strings.HasPrefix(name, "/assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("ETag", f.tag)
		if r.Header.Get("If-None-Match") == f.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	} else {
		h.Set("Cache-Control", "no-store")
	}
	body := f.raw
	if f.gz != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.gz
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // a browser that went away is no fault of ours
}
