package segment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/event/registry"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// What every file says about itself in its Parquet metadata.
const (
	MetaMagic    = "yagura.format" // "segment" or "hot"
	MetaVersion  = "yagura.version"
	MetaRegistry = "yagura.registry"
	MetaTenant   = "yagura.tenant" // segments only
	Version      = 1
)

// WriteSegments writes one sorted file for each tenant, day and group below dir/segments, each to a
// temporary name, fsynced and renamed, and fsyncs the folders. After an error nothing with this token
// is left.
func (b *Builder) WriteSegments(dir, token string) (files []eventstore.File, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = os.Remove(filepath.Join(dir, filepath.FromSlash(f.Path)))
			}
			files = nil
		}
	}()
	folders := map[string]bool{}
	for n, p := range b.parts() {
		folder := filepath.Join("segments", tenant.ID(p.tenant).String(), p.day, p.group)
		f := describe(p)
		f.Path = filepath.ToSlash(filepath.Join(folder, fmt.Sprintf("%s-%d.parquet", token, n)))
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return files, fmt.Errorf("write segment: %w", err)
		}
		meta := map[string]string{MetaMagic: "segment", MetaTenant: tenant.ID(p.tenant).String()}
		if f.Bytes, f.Sum, err = writeFile(filepath.Join(dir, filepath.FromSlash(f.Path)), p.rows, b.fields, meta, true); err != nil {
			return files, err
		}
		files = append(files, f)
		for d := folder; d != "."; d = filepath.Dir(d) {
			folders[d] = true
		}
	}
	for d := range folders {
		if err := durable.SyncFolder(filepath.Join(dir, d)); err != nil {
			return files, err
		}
	}
	return files, nil
}

// WriteHot writes all rows to one unsorted file at path, without fsync: a start wipes it.
func (b *Builder) WriteHot(path string) (size int64, err error) {
	size, _, err = writeFile(path, b.rows, b.fields, map[string]string{MetaMagic: "hot"}, false)
	return size, err
}

func describe(p part) eventstore.File {
	f := eventstore.File{Tenant: p.tenant, Day: p.day, Group: p.group, Rows: int64(len(p.rows)), Registry: registry.Version}
	for i, r := range p.rows {
		host := r.id.Host.String()
		if i == 0 {
			f.MinTime, f.MaxTime, f.MinHost, f.MaxHost = r.time, r.time, host, host
			f.First, f.Last, f.Shard = r.record, r.record, r.shard
		}
		f.MinTime, f.MaxTime = min(f.MinTime, r.time), max(f.MaxTime, r.time)
		f.MinHost, f.MaxHost = min(f.MinHost, host), max(f.MaxHost, host)
		f.First, f.Last = min(f.First, r.record), max(f.Last, r.record)
		f.Received = max(f.Received, r.received)
	}
	return f
}

// counters are columns whose values grow along a file: differences are small, dictionaries useless.
var counters = []string{ColSeq, ColRecord, "time", "host_time", "received", "boot_ns", "actor_start_ns", "parent_start_ns", "target_start_ns"}

func writeFile(path string, rows []row, fields table, meta map[string]string, durable bool) (size int64, sum string, err error) {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, "", fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(tmp)
		}
	}()
	// The sum is of what we meant to write, not of what a disk made of it.
	h := sha256.New()
	if err := writeParquet(io.MultiWriter(f, h), rows, fields, meta); err != nil {
		return 0, "", fmt.Errorf("write %s: %w", path, err)
	}
	if durable {
		if err := f.Sync(); err != nil {
			return 0, "", fmt.Errorf("fsync %s: %w", path, err)
		}
	}
	st, err := f.Stat()
	if err != nil {
		return 0, "", fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return 0, "", fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return 0, "", fmt.Errorf("write %s: %w", path, err)
	}
	return st.Size(), hex.EncodeToString(h.Sum(nil)), nil
}

func writeParquet(f io.Writer, rows []row, fields table, meta map[string]string) error {
	mem := memory.NewGoAllocator()
	names, arrays, plain, err := columns(mem, rows, fields, meta[MetaMagic] == "hot")
	if err != nil {
		return err
	}
	schema := arrow.NewSchema(names, nil)
	rec := array.NewRecordBatch(schema, arrays, int64(len(rows)))
	defer rec.Release()
	for _, a := range arrays {
		a.Release()
	}
	props := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithMaxRowGroupLength(122880), parquet.WithCreatedBy("yagura"), parquet.WithMaxStatsSize(64),
	}
	for _, c := range counters {
		props = append(props, parquet.WithDictionaryFor(c, false), parquet.WithEncodingFor(c, parquet.Encodings.DeltaBinaryPacked))
	}
	for _, c := range plain {
		props = append(props, parquet.WithDictionaryFor(c, false))
	}
	for _, f := range fields {
		if f != nil && (f.Type == registry.Text || f.Type == registry.Texts || f.Type == registry.Attributes) {
			// Smallest and largest of a command line or a path skip nothing, and cost a look at each value.
			props = append(props, parquet.WithStatsFor(f.Name, false))
		}
	}
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(props...), pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	meta[MetaVersion], meta[MetaRegistry] = strconv.Itoa(Version), strconv.Itoa(registry.Version)
	for k, v := range meta {
		if err := w.AppendKeyValueMetadata(k, v); err != nil {
			return err
		}
	}
	if err := w.Write(rec); err != nil {
		return err
	}
	return w.Close()
}

// Settle fsyncs a file written by somebody else, gives it its final name and fsyncs the folder.
// It gives its size and SHA-256.
func Settle(tmp, final string) (size int64, sum string, err error) {
	f, err := os.OpenFile(tmp, os.O_RDWR, 0)
	if err != nil {
		return 0, "", fmt.Errorf("settle %s: %w", final, err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil {
		return 0, "", fmt.Errorf("fsync %s: %w", final, err)
	}
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return 0, "", fmt.Errorf("settle %s: %w", final, err)
	}
	if err := os.Rename(tmp, final); err != nil {
		return 0, "", fmt.Errorf("settle %s: %w", final, err)
	}
	return size, hex.EncodeToString(h.Sum(nil)), durable.SyncFolder(filepath.Dir(final))
}
