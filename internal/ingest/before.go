package ingest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
)

// What a call may weigh. What is read becomes many times as much when it is taken apart, so who may send much is known
// before the first byte is read, and how many calls of one host are held at a time is counted from then on.
const (
	maxMessage = 1 << 20   // of Upload; a batch has less, so that too big a batch gets our sentence
	maxWord    = 512 << 10 // of Hello and Report; the longest greeting has 20 KiB, an outcome's proof 60 KiB
	maxAsk     = 16 << 10  // of Enroll, Renew and Attend
)

// weigh bounds the message of a procedure.
func weigh(of connect.Spec) []connect.HandlerOption {
	switch of.Procedure {
	case sensorv1connect.SensorsUploadProcedure:
		return []connect.HandlerOption{connect.WithReadMaxBytes(maxMessage)}
	case sensorv1connect.SensorsHelloProcedure, sensorv1connect.SensorsReportProcedure:
		return []connect.HandlerOption{connect.WithReadMaxBytes(maxWord)}
	}
	return []connect.HandlerOption{connect.WithReadMaxBytes(maxAsk)}
}

// call is one of a host that is being read or served.
type call struct {
	io.ReadCloser
	s     *Service
	host  event.HostID
	c     *http.ResponseController
	word  bool // not Upload
	whole bool // its request has come; guarded by calling
}

// hold counts a call until leave. Over the bound the oldest of its kind that is still being read is cut off; when all
// have come, this one is refused.
func (s *Service) hold(x *call) (leave func(), err error) {
	s.calling.Lock()
	defer s.calling.Unlock()
	n, most, what, oldest := 0, maxUploads, "uploads", -1
	if x.word {
		most, what = maxCalls, "calls"
	}
	all := s.calls[x.host]
	for i, other := range all {
		if other.word != x.word {
			continue
		}
		n++
		if oldest < 0 && !other.whole {
			oldest = i
		}
	}
	if n >= most && oldest < 0 {
		return nil, retry(time.Second, fmt.Errorf("%d %s of this host are under way: no more are taken at a time", most, what))
	}
	if n >= most {
		_ = all[oldest].c.SetReadDeadline(time.Unix(1, 0)) // ends a read that waits; writes nothing to the line
		all = slices.Delete(all, oldest, oldest+1)
	}
	s.calls[x.host] = append(all, x)
	return func() {
		s.calling.Lock()
		defer s.calling.Unlock()
		left := slices.DeleteFunc(s.calls[x.host], func(other *call) bool { return other == x })
		if len(left) == 0 {
			delete(s.calls, x.host)
			return
		}
		s.calls[x.host] = left
	}, nil
}

// Read gives some of the request, and notes its end: from then on it is not cut off.
func (x *call) Read(p []byte) (int, error) {
	n, err := x.ReadCloser.Read(p)
	if err != nil {
		x.s.calling.Lock()
		x.whole = true
		x.s.calling.Unlock()
	}
	return n, err
}

// known turns callers away before their request is read: who is not a host, what a host may not, and more of its calls
// than a sensor has. Over the bound the oldest goes that is still being read: who dribbles keeps nobody out.
func (s *Service) known(next http.Handler) http.Handler {
	writer := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == sensorv1connect.SensorsEnrollProcedure { // small, and judged there
			next.ServeHTTP(w, r)
			return
		}
		id, err := s.o.Fleet.Identify(r.Context())
		if err != nil {
			if r.URL.Path == sensorv1connect.SensorsRenewProcedure && !errors.Is(err, fleet.ErrRevoked) { // it takes an expired certificate
				next.ServeHTTP(w, r)
				return
			}
			if errors.Is(err, fleet.ErrRevoked) {
				w.Header().Set("Connection", "close") // its connections have no bounds of a guest
			}
			_ = writer.Write(w, r, refused(err))
			return
		}
		if r.URL.Path == sensorv1connect.SensorsAttendProcedure {
			next.ServeHTTP(w, r)
			return
		}
		x := &call{ReadCloser: r.Body, s: s, host: id.Host, c: http.NewResponseController(w), word: r.URL.Path != sensorv1connect.SensorsUploadProcedure}
		leave, err := s.hold(x)
		if err != nil {
			_ = writer.Write(w, r, err)
			return
		}
		defer leave()
		r.Body = x
		next.ServeHTTP(w, r)
	})
}
