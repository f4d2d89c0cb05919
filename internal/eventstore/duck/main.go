//go:build duckdb && duckdb_arrow

package duck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/segment"
)

// Main serves requests from stdin until its end. ctx ends it at once.
func Main(ctx context.Context, role string, stdin io.Reader, stdout io.Writer) error {
	budget := eventstore.Budget(role)
	if budget == 0 {
		return fmt.Errorf("there is no worker role %q: it is one of query, seal, compact", role)
	}
	calls, err := confine(budget)
	if err != nil {
		return fmt.Errorf("confine the %s worker: %w", role, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// stdin is read beside the work, so that a query in flight ends with the parent.
	pipe, feed := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, err := io.Copy(feed, stdin)
		cancel()
		_ = feed.CloseWithError(err)
	}()
	frames := eventstore.NewFrames(pipe, stdout)
	if err := frames.WriteHello(eventstore.Hello{Protocol: eventstore.Protocol, UID: os.Geteuid(), Seccomp: calls}); err != nil {
		return fmt.Errorf("greet the server: %w", err)
	}
	for {
		q, err := frames.ReadRequest()
		if errors.Is(err, io.EOF) {
			<-ended
			return nil
		}
		if err != nil {
			_ = pipe.CloseWithError(err)
			return err
		}
		if err := serve(ctx, frames, q); err != nil {
			_ = pipe.CloseWithError(err)
			return err
		}
	}
}

// serve answers one request; an error means that the conversation is lost.
func serve(ctx context.Context, f *eventstore.Frames, q eventstore.Request) error {
	if q.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(q.Deadline)*time.Millisecond)
		defer cancel()
	}
	var a eventstore.Answer
	var err error
	switch q.Op {
	case "hot", "seal", "retry":
		a, err = write(f, q)
	case "compact":
		a, err = compact(ctx, q)
	case "events":
		a, err = events(ctx, f, q)
	case "inspect":
		a, err = inspect(ctx, f, q)
	case "tree":
		a, err = tree(ctx, f, q)
	case "probe":
		err = probe(ctx, q)
	default:
		err = fmt.Errorf("a worker knows no request %q", q.Op)
	}
	if err == nil {
		return f.WriteAnswer(a)
	}
	if _, ok := errors.AsType[*brokenPipe](err); ok {
		return err
	}
	// People know the data folder by another name than this process does.
	return f.WriteFault(eventstore.Fault{Code: code(ctx, err), Message: strings.ReplaceAll(err.Error(), q.Data+"/", q.Shown+"/")})
}

// probe does the least that needs all that the role needs.
func probe(ctx context.Context, q eventstore.Request) error {
	s, err := open(ctx, q, false)
	if err != nil {
		return err
	}
	defer s.close()
	return s.exec(ctx, "SELECT 42")
}

// brokenPipe wraps an error of the conversation itself.
type brokenPipe struct{ error }

func code(ctx context.Context, err error) string {
	switch {
	case ctx.Err() != nil:
		return "deadline"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), strings.Contains(err.Error(), "No space left"):
		return "full"
	case strings.Contains(err.Error(), "Out of Memory"), errors.Is(err, syscall.ENOMEM):
		return "memory"
	case strings.Contains(err.Error(), "Too many open files"), errors.Is(err, errForeign):
		return "other"
	}
	for _, ours := range []string{"Binder Error", "Parser Error", "Catalog Error", "Syntax Error", "Not implemented Error", "Connection Error"} {
		if strings.Contains(err.Error(), ours) {
			return "other" // a fault of the statement, not of a file
		}
	}
	if strings.Contains(err.Error(), "duckdb: ") || errors.Is(err, errUnreadable) {
		return "data"
	}
	return "other"
}

// write makes hot files and segments. It needs no DuckDB: the writer is Go.
func write(f *eventstore.Frames, q eventstore.Request) (a eventstore.Answer, err error) {
	b := segment.NewBuilder()
	a.Last = make([]uint64, 256)
	for {
		e, ok, err := f.ReadEntry()
		if err != nil {
			return a, &brokenPipe{err}
		}
		if !ok {
			break
		}
		b.Add(e)
		a.Last[e.Shard] = max(a.Last[e.Shard], e.Record)
	}
	a.Rows = int64(b.Rows())
	defer debug.FreeOSMemory()
	if q.Op == "hot" {
		if b.Rows() == 0 {
			return a, nil
		}
		size, err := b.WriteHot(filepath.Join(q.Data, filepath.FromSlash(q.Path)))
		a.Files = []eventstore.File{{Path: q.Path, Rows: a.Rows, Bytes: size}}
		return a, err
	}
	if a.Quarantined = b.Bad; q.Op == "retry" && len(b.Bad) > 0 {
		return a, nil // it stays where it lies
	}
	if a.Quarantined, err = b.WriteQuarantine(q.Data); err != nil {
		return a, err
	}
	a.Covered = b.Covered()
	a.Files, err = b.WriteSegments(q.Data, q.Token)
	return a, err
}
