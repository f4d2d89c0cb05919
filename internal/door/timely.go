package door

import (
	"io"
	"net/http"
	"time"
)

// Timely cuts off callers that dribble their request: its body must be read whole within what limit gives. What the
// answer takes, as of a stream that stands for days, is not limited.
func Timely(h http.Handler, limit func(*http.Request) time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			c := http.NewResponseController(w)
			if c.SetReadDeadline(time.Now().Add(limit(r))) == nil {
				r.Body = &timedBody{r.Body, c}
			}
		}
		h.ServeHTTP(w, r)
	})
}

// timedBody takes the deadline away when it was read to its end or is closed: one that passes later ends the call.
type timedBody struct {
	io.ReadCloser
	c *http.ResponseController
}

// Close ends the body.
func (b *timedBody) Close() error {
	_ = b.c.SetReadDeadline(time.Time{})
	return b.ReadCloser.Close()
}

// Read gives some of the body.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.c.SetReadDeadline(time.Time{})
	}
	return n, err
}
