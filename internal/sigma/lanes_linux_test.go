package sigma_test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

// otrfProcesses gives some Sysmon process events of the recordings of shared/data/otrf.
func otrfProcesses(tb testing.TB, most int) (out []sigma.Record) {
	tb.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(dataDir(tb), "otrf"), func(p string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(p, ".zip") {
			files = append(files, p)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		tb.Skipf("no recordings: %v", err)
	}
	for _, f := range files {
		if len(out) == most {
			break
		}
		z, err := zip.OpenReader(f)
		if err != nil {
			continue
		}
		for _, m := range z.File {
			r, err := m.Open()
			if err != nil {
				continue
			}
			dec := json.NewDecoder(r)
			for len(out) < most {
				var e map[string]any
				if dec.Decode(&e) != nil {
					break
				}
				if fmt.Sprint(e["EventID"]) != "1" || !strings.Contains(fmt.Sprint(e["Channel"]), "Sysmon") {
					continue
				}
				values := map[string]sigma.Value{}
				for k, v := range e {
					if s, ok := v.(string); ok {
						values[k] = sigma.TextValue(s)
					}
				}
				out = append(out, sigma.NewFields([]sigma.LogSource{{Product: "windows", Category: "process_creation"}}, values))
			}
			_ = r.Close()
		}
		_ = z.Close()
	}
	return out
}

// cpu is the time this process has had: a shared machine's clock says little.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func lane(b *testing.B, set *sigma.Ruleset, records []sigma.Record) {
	b.Helper()
	s := set.Scratch()
	hits, i := 0, 0
	for _, r := range records {
		hits += len(s.Judge(r, nil))
	}
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		s.Judge(records[i%len(records)], nil)
		i++
	}
	b.ReportMetric(float64(b.N)/(cpu(b)-before).Seconds(), "events/CPU-s")
	b.ReportMetric(float64(hits), "hits")
}

func BenchmarkWindowsProcess(b *testing.B) {
	set := loadSigmaHQ(b, dataDir(b))
	lane(b, set, otrfProcesses(b, 644))
}

// atomicCommands are the command lines of shared/data/atomic-linux as process events.
func atomicCommands(tb testing.TB) (out []sigma.Record) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir(tb), "atomic-linux", "*.yaml"))
	if err != nil || len(files) == 0 {
		tb.Skipf("no commands: %v", err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		in := false
		for line := range strings.Lines(string(raw)) {
			t := strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(t, "command: |"):
				in = true
				continue
			case strings.HasPrefix(t, "cleanup_command") || strings.HasPrefix(t, "name:"):
				in = false
			}
			if !in || t == "" {
				continue
			}
			word, _, _ := strings.Cut(t, " ")
			e := &event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: event.Process{Path: "/usr/bin/" + filepath.Base(word), CommandLine: t, UserName: "root", Cwd: "/root"}, Parent: event.Process{Path: "/usr/bin/bash", CommandLine: "bash"}}
			rec := &sigma.EventRecord{}
			rec.Set(e)
			out = append(out, rec)
		}
	}
	return out
}

func BenchmarkLinuxAtomic(b *testing.B) {
	set := loadSigmaHQ(b, dataDir(b))
	lane(b, set, atomicCommands(b))
}

// A command line of the most that the kernel takes.
func BenchmarkHugeCommandLine(b *testing.B) {
	set := loadSigmaHQ(b, dataDir(b))
	for _, words := range []string{"a", "base64 -d ", "find -exec ", "true $(head -c 60000 /dev/urandom|base64) "} {
		b.Run(strings.Fields(words)[0], func(b *testing.B) {
			rec := &sigma.EventRecord{}
			rec.Set(&event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: event.Process{Path: "/usr/bin/dash", CommandLine: strings.Repeat(words, 65536/len(words))}})
			lane(b, set, []sigma.Record{rec})
		})
	}
}
