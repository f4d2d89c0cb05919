package console

import (
	"context"
	"errors"
	"log/slog"
	"syscall"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/eventstore"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

// As makes an error that reads as err does and is also kind, one of the errors above: the kind decides the
// answer's code and says nothing that the sentence has not.
func As(err, kind error) error { return ofKind{err, kind} }

type ofKind struct{ err, kind error }

func (k ofKind) Error() string   { return k.err.Error() }
func (k ofKind) Unwrap() []error { return []error{k.err, k.kind} }

// fail turns an error into what a caller may see. What we did not expect is logged under an id, and the
// caller gets the id alone.
func (s *Server) fail(ctx context.Context, err error) *connect.Error {
	var already *connect.Error
	var input *access.InputError
	var many *access.TooManyError
	switch {
	case errors.As(err, &already):
		return already
	case errors.Is(err, ErrNotFound), errors.Is(err, access.ErrNotFound):
		return connect.NewError(connect.CodeNotFound, err)
	case errors.Is(err, eventstore.ErrNotKept):
		return connect.NewError(connect.CodeNotFound, eventstore.ErrNotKept)
	case errors.Is(err, eventstore.ErrNoWorker):
		return connect.NewError(connect.CodeUnavailable, errors.New("stored events cannot be read now: no worker of the event store works; `yagura doctor` says why"))
	case errors.Is(err, ErrInvalid):
		return connect.NewError(connect.CodeInvalidArgument, err)
	case errors.As(err, &input):
		return connect.NewError(connect.CodeInvalidArgument, input)
	case errors.As(err, &many):
		return connect.NewError(connect.CodeResourceExhausted, many)
	case errors.Is(err, access.ErrRefused), errors.Is(err, access.ErrNoneOpen):
		return connect.NewError(connect.CodeUnauthenticated, err)
	case errors.Is(err, access.ErrLink), errors.Is(err, access.ErrSetUp), errors.Is(err, access.ErrTwoCodes), errors.Is(err, ErrRefused):
		return connect.NewError(connect.CodeFailedPrecondition, err)
	case errors.Is(err, ErrMoved):
		return connect.NewError(connect.CodeAborted, err)
	case errors.Is(err, ErrUnavailable):
		return connect.NewError(connect.CodeUnavailable, err)
	case errors.Is(err, syscall.ENOSPC):
		s.log.ErrorContext(ctx, "call failed", slog.Any("err", err))
		return connect.NewError(connect.CodeUnavailable, errors.New("the disk of the server's data folder is full: free space there or make it larger; `yagura doctor` shows it"))
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, errors.New("the answer took too long: narrow the question"))
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New("the call was ended"))
	}
	id := uuid.NewString()[:8]
	s.log.ErrorContext(ctx, "call failed", slog.String("error_id", id), slog.Any("err", err))
	return connect.NewError(connect.CodeInternal, errors.New("the server could not do this; its log has the reason under error_id "+id))
}

var errNoPart = connect.NewError(connect.CodeUnavailable, errors.New("this server runs without the part that answers this"))

// bilingual adds to every error its sentence in both languages, for a page that shows it. The CLI has a tongue of
// its own and reads the message.
type bilingual struct {
	say func(english string) *consolev1.Said
}

func (b bilingual) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, q connect.AnyRequest) (connect.AnyResponse, error) {
		r, err := next(ctx, q)
		return r, b.with(err)
	}
}

func (b bilingual) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (b bilingual) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, c connect.StreamingHandlerConn) error { return b.with(next(ctx, c)) }
}

func (b bilingual) with(err error) error {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok || len(e.Details()) > 0 {
		return err
	}
	said := connect.NewError(e.Code(), e.Unwrap()) // e may be one that every caller gets
	if d, err := connect.NewErrorDetail(b.say(e.Message())); err == nil {
		said.AddDetail(d)
	}
	return said
}
