//go:build linux

package main

import (
	"archive/zip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// site answers every HTTP request of the world: with a helper file of the tests when the path names one, else with a
// stand-in of ours that acts as what was asked for acts.
type site struct{ data string }

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 64<<20))
	p := path.Clean("/" + r.URL.Path)
	if _, rest, ok := strings.Cut(p, "/atomics/"); ok {
		if root, err := os.OpenRoot(filepath.Join(s.data, "src")); err == nil {
			defer func() { _ = root.Close() }()
			technique, file, _ := strings.Cut(rest, "/")
			if b, err := root.ReadFile(path.Join(technique, file)); err == nil {
				_, _ = w.Write(b)
				return
			}
		}
	}
	base := path.Base(p)
	switch path.Ext(base) {
	case ".sh":
		_, _ = io.WriteString(w, standIn(base))
	case ".zip":
		archive(w, path.Base(path.Dir(path.Dir(p)))+"-"+strings.TrimSuffix(base, ".zip"))
	case ".html", "", ".com":
		_, _ = fmt.Fprintf(w, "<html><body>%s</body></html>\n", "hello")
	default:
		_, _ = io.WriteString(w, "hello\n")
	}
}

// standIn is a script as the search for ways to become root is done; anything else says who it runs as.
func standIn(name string) string {
	for _, tool := range []string{"linpeas", "linenum", "autosuid", "lse", "suid"} {
		if strings.Contains(strings.ToLower(name), tool) {
			return search
		}
	}
	return "#!/bin/sh\nid\nuname -a\n"
}

const search = `#!/bin/sh
echo "== who"; id; who; last -n 3 2>/dev/null
echo "== system"; uname -a; cat /etc/os-release; env | head -40
echo "== people"; cut -d: -f1,3 /etc/passwd; cat /etc/shadow 2>/dev/null
echo "== sudo"; sudo -n -l 2>/dev/null
echo "== programs that run as root"; find / -xdev -perm -4000 -type f 2>/dev/null
find / -xdev -perm -2000 -type f 2>/dev/null
getcap -r /usr/bin 2>/dev/null
echo "== cron"; ls -la /etc/cron* 2>/dev/null; crontab -l 2>/dev/null
echo "== writable"; find /etc -writable -type f 2>/dev/null | head
echo "== passwords"; grep -rIl password /etc /home /srv 2>/dev/null | head
find / -xdev -name id_rsa 2>/dev/null
echo "== network"; ss -tln 2>/dev/null; ip addr 2>/dev/null
ps aux | head -40
`

// archive is a source archive as a forge gives it: a folder with a Makefile that makes an empty library.
func archive(w io.Writer, folder string) {
	name, _, _ := strings.Cut(folder, "-")
	z := zip.NewWriter(w)
	defer func() { _ = z.Close() }()
	for file, text := range map[string]string{
		"Makefile":  "all: " + name + ".so\n" + name + ".so: empty.c\n\tgcc -shared -fPIC -o $@ empty.c\n",
		"empty.c":   "int stand_in(void) { return 0; }\n",
		"README.md": "stand-in\n",
	} {
		if f, err := z.Create(folder + "/" + file); err == nil {
			_, _ = io.WriteString(f, text)
		}
	}
}
