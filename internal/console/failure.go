package console

import (
	"context"
	"errors"
	"log/slog"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/access"
)

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
	case errors.Is(err, ErrInvalid):
		return connect.NewError(connect.CodeInvalidArgument, err)
	case errors.As(err, &input):
		return connect.NewError(connect.CodeInvalidArgument, input)
	case errors.As(err, &many):
		return connect.NewError(connect.CodeResourceExhausted, many)
	case errors.Is(err, access.ErrRefused), errors.Is(err, access.ErrNoneOpen):
		return connect.NewError(connect.CodeUnauthenticated, err)
	case errors.Is(err, access.ErrLink), errors.Is(err, access.ErrSetUp), errors.Is(err, ErrRefused):
		return connect.NewError(connect.CodeFailedPrecondition, err)
	case errors.Is(err, ErrUnavailable):
		return connect.NewError(connect.CodeUnavailable, err)
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
