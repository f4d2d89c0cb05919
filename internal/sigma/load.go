package sigma

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// MaxFiles bounds how many rule files one folder may hold.
const MaxFiles = 50000

// AddFS adds every .yml and .yaml file below root, but for samples (NAME.test.yml). name is put before
// the path of each file in messages. A file that cannot be read is rejected with its reason.
func (b *Builder) AddFS(fsys fs.FS, name string) error {
	n := 0
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if p == "." {
				return err
			}
			b.Reject(path.Join(name, p), NotYAML, fmt.Sprintf("cannot be read: %v", err))
			return nil
		}
		if d.IsDir() || !isRuleFile(p) {
			return nil
		}
		if n++; n > MaxFiles {
			return fmt.Errorf("more than %d rule files: split the folder", MaxFiles)
		}
		if i, err := d.Info(); err == nil && i.Size() > MaxFile {
			b.Reject(path.Join(name, p), TooBig, fmt.Sprintf("the file has %d bytes; at most %d are read", i.Size(), MaxFile))
			return nil
		}
		data, err := fs.ReadFile(fsys, p)
		if err != nil {
			b.Reject(path.Join(name, p), NotYAML, fmt.Sprintf("cannot be read: %v", err))
			return nil
		}
		b.Add(path.Join(name, p), data)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read rules of %s: %w", name, err)
	}
	return nil
}

// AddDir adds a folder of the disk, or one file.
func (b *Builder) AddDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("read rules: %w: name a folder of Sigma rules that exists", err)
	}
	if !info.IsDir() {
		data, err := os.ReadFile(filepath.Clean(dir))
		if err != nil {
			return fmt.Errorf("read rules: %w", err)
		}
		b.Add(dir, data)
		return nil
	}
	return b.AddFS(os.DirFS(dir), dir)
}

func isRuleFile(p string) bool {
	return (strings.HasSuffix(p, ".yml") || strings.HasSuffix(p, ".yaml")) && !strings.HasSuffix(p, ".test.yml") && !strings.HasPrefix(path.Base(p), ".")
}
