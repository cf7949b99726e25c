package console

import (
	"context"
	"errors"
	"io"

	"golang.org/x/time/rate"
)

// limitedWriter writes no faster than the limits allow, and remembers the first error.
type limitedWriter struct {
	ctx     context.Context
	out     io.Writer
	end     io.Closer // the connection, closed after a failure
	buckets []*rate.Limiter
	err     error
}

func (s *limitedWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) && s.err == nil {
		n := len(p) - done
		for _, b := range s.buckets {
			n = min(n, b.Burst())
		}
		for _, b := range s.buckets {
			s.err = errors.Join(s.err, b.WaitN(s.ctx, n))
		}
		if s.err == nil {
			n, s.err = s.out.Write(p[done : done+n])
			done += n
		}
	}
	if s.err != nil {
		_ = s.end.Close()
	}
	return done, s.err
}
