//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// attempt is one test in one mode, and what became of it.
type attempt struct {
	test    *test
	mode    string
	outcome outcome
	err     error // the room could not be made: nothing was tried
	found   []detection
}

// name is its cgroup's too, by which detections find it.
func (a *attempt) name() string {
	return "at-" + strings.ReplaceAll(a.test.ID, "#", "-") + "-" + a.mode + ".scope"
}

// outcome is what a room says at its end.
type outcome struct {
	Exit    int      `json:"exit"`
	Timeout bool     `json:"timeout,omitempty"`
	Unmet   []string `json:"unmet,omitempty"` // prerequisites that could not be had
}

// order is what a room is told: file descriptor 3 brings it, 4 takes the outcome, 5 what the test prints.
type order struct {
	Dir, Root, Data, Cgroup string
	Certificate, Key        string // of the world's authority, PEM
	Names                   []string
	Test                    *test
	Mode                    string
	Limit                   time.Duration
}

// prepare is the cgroup of what makes rooms ready.
const prepare = "prepare.scope"

const cgroupRoot = "/sys/fs/cgroup"

// makeCgroup makes a cgroup below the one of all runs.
func makeCgroup(name string) (string, error) {
	base := cgroupRoot
	if _, err := os.Stat(filepath.Join(base, "cgroup.procs")); err != nil {
		base = filepath.Join(base, "unified") // a hybrid host
	}
	dir := filepath.Join(base, "yagura-efficacy", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a cgroup: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "cgroup.kill")); err != nil {
		return "", fmt.Errorf("a cgroup that can be killed as a whole (cgroup2, Linux 5.14): %w", err)
	}
	return dir, nil
}

// run makes the room, lets the test act in it, and leaves nothing of both.
func (a *attempt) run(ctx context.Context, m *measurement, dir string, authority *authority, names []string) (err error) {
	cgroup, err := makeCgroup(a.name())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endCgroup(cgroup)) }()
	for _, d := range []string{"up", "work", "merged"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	told, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = told.Close() }()
	answer, answers, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	printed, err := os.Create(filepath.Join(m.out, "printed", a.name()))
	if err != nil {
		return err
	}
	defer func() { _ = printed.Close() }()

	ctx, cancel := context.WithTimeout(ctx, m.limit+90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "room")
	cmd.Args[0] = "efficacy"
	cmd.ExtraFiles = []*os.File{told, answers, printed}
	var said strings.Builder
	cmd.Stderr = &said
	ready, err := os.Open(m.prepare)
	if err != nil {
		return fmt.Errorf("start a room: %w", err)
	}
	defer func() { _ = ready.Close() }()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		UseCgroupFD: true, CgroupFD: int(ready.Fd()),
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = cmd.Start()
	_ = answers.Close()
	if err != nil {
		_ = tell.Close()
		return fmt.Errorf("start a room: %w", err)
	}
	err = json.NewEncoder(tell).Encode(order{
		Dir: dir, Root: m.root, Data: m.data, Cgroup: cgroup, Certificate: authority.certificate, Key: authority.key,
		Names: names, Test: a.test, Mode: a.mode, Limit: m.limit,
	})
	_ = tell.Close()
	b, rerr := io.ReadAll(answer)
	werr := cmd.Wait()
	if err := errors.Join(err, rerr, werr); err != nil {
		return fmt.Errorf("room: %w: %s", err, strings.TrimSpace(said.String()))
	}
	if err := json.Unmarshal(b, &a.outcome); err != nil {
		return fmt.Errorf("outcome of the room: %w", err)
	}
	return nil
}

// endCgroup kills what is left in it and removes it.
func endCgroup(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0); err != nil {
		return fmt.Errorf("end what is in %s: %w", dir, err)
	}
	var err error
	for range 100 {
		if err = os.Remove(dir); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("remove %s: %w", dir, err)
}
