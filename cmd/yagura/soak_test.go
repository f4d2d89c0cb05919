package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Bounds of a soak, as Pss: the gates of the sensor (architecture.md §7) and of the server with its workers.
const (
	soakSensorKB = 120 << 10
	soakServerKB = 1536 << 10
)

// TestSoak runs server and sensor under load for YAGURA_SOAK and kills one of them at random every minute.
// Memory stays within its bounds and does not grow from the first half to the second, and in the end the books
// balance. `make soak` runs it.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("YAGURA_SOAK"))
	if err != nil {
		t.Skip("runs for YAGURA_SOAK=30m: use `make soak`")
	}
	needRoot(t)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("YAGURA_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d (YAGURA_SEED)", seed)
	h := startHouse(t, "--no-sensor", "--seal-interval", "5s")
	s := h.enrol(filepath.Join(t.TempDir(), "sensor"))
	h.reporting()
	books := booksOf(h, s.data)
	stop := startLoad(t)
	defer stop()

	start := time.Now()
	var sensor, server []int // Pss in KiB; a program that was killed begins again small, so the growth is of the rest
	killed := map[string]int{}
	for next := time.Minute; time.Since(start) < length; {
		time.Sleep(5 * time.Second)
		books.note()
		a, b := pss(s.cmd.Process.Pid), family(h.cmd.Process.Pid)
		sensor, server = append(sensor, a), append(server, b)
		if a > soakSensorKB || b > soakServerKB {
			t.Errorf("after %s: sensor %d MiB, server and workers %d MiB; bounds %d and %d", time.Since(start).Round(time.Second), a>>10, b>>10, soakSensorKB>>10, soakServerKB>>10)
		}
		if time.Since(start) < next || length-time.Since(start) < 45*time.Second {
			continue
		}
		next += 30*time.Second + time.Duration(random.Int64N(int64(time.Minute)))
		victim := []string{"server", "sensor", "both"}[random.IntN(3)]
		killed[victim]++
		t.Logf("%s: %s is killed; sensor %d MiB, server %d MiB, %+v", time.Since(start).Round(time.Second), victim, a>>10, b>>10, s.status().Spool)
		if victim != "server" {
			s.kill()
		}
		if victim != "sensor" {
			h.kill()
			time.Sleep(time.Duration(random.Int64N(int64(5 * time.Second))))
			h.start()
		}
		if victim != "server" {
			s.start()
		}
	}
	stop()
	for name, list := range map[string][]int{"sensor": sensor, "server and workers": server} {
		first, second := list[:len(list)/2], list[len(list)/2:]
		t.Logf("%s: Pss %d to %d MiB, mean of the first half %d MiB, of the second %d MiB", name, slices.Min(list)>>10, slices.Max(list)>>10, mean(first)>>10, mean(second)>>10)
		if length >= 10*time.Minute && mean(second) > mean(first)*3/2+(32<<10) {
			t.Errorf("%s grew from %d to %d MiB", name, mean(first)>>10, mean(second)>>10)
		}
	}
	h.reporting()
	a := books.settle(t, 5*time.Minute)
	t.Logf("%s, %v kills: %d events, %d of them lost to kills and reported", time.Since(start).Round(time.Second), killed, a.produced, a.dropped)
}

// pss gives the memory of a process in KiB, shared pages by their share; 0 when it is gone.
func pss(pid int) int {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var n int
		if _, err := fmt.Sscanf(sc.Text(), "Pss: %d kB", &n); err == nil {
			return n
		}
	}
	return 0
}

// family gives the memory of a process and its children.
func family(pid int) int {
	sum := pss(pid)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return sum
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // any thread may have started one
	for _, file := range tasks {
		if more, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, fmt.Sprintf("/task/%d/children", pid)) {
			b = append(append(b, ' '), more...)
		}
	}
	for child := range strings.FieldsSeq(string(b)) {
		if n, err := strconv.Atoi(child); err == nil {
			sum += pss(n)
		}
	}
	return sum
}

func mean(list []int) int {
	sum := 0
	for _, n := range list {
		sum += n
	}
	return sum / max(1, len(list))
}
