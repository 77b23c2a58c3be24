package vaultapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/openbao/openbao/api/v2"
)

const (
	maxTries = 5 // of a request whose trouble has nothing to do with who is active
	firstGap = 200 * time.Millisecond
	lastGap  = 3 * time.Second
)

// A verdict says whether and when a request may be sent again.
type verdict int

const (
	final    verdict = iota // never
	soon                    // a few times
	electing                // for as long as an election may take, to whoever is active then
)

// retry sends r, again if that may help and can do no harm.
func (s *Session) retry(ctx context.Context, r request) (*Answer, error) {
	return attempt(ctx, s, r, func(c *api.Client, _ *url.URL) (*Answer, error) { return s.link.send(ctx, c, r) })
}

// attempt calls try with the client and address of the active node until it succeeds or there is no
// more hope.
func attempt[T any](ctx context.Context, s *Session, r request, try func(*api.Client, *url.URL) (T, error)) (T, error) {
	var last T
	var lastErr error
	if s.broken != nil {
		return last, fmt.Errorf("%s %s: %w", r.op, r.path, s.broken)
	}
	tries := 0
	op := func() (struct{}, error) {
		if err := s.pace(ctx); err != nil {
			return struct{}{}, backoff.Permanent(err)
		}
		if tries > 0 {
			if err := s.follow(ctx, lastErr); err != nil {
				lastErr = fmt.Errorf("%s %s: %w", r.op, r.path, err)
				return struct{}{}, backoff.Permanent(lastErr)
			}
		}
		c, node := s.at()
		last, lastErr = try(c, node)
		tries++
		return struct{}{}, s.pause(r, lastErr, tries)
	}
	_, err := backoff.Retry(ctx, op, backoff.WithBackOff(gaps()), backoff.WithMaxElapsedTime(s.server.leaderWait()))
	switch {
	case err == nil:
		return last, nil
	case ctx.Err() != nil:
		var none T
		return none, fmt.Errorf("%s %s: %w", r.op, r.path, context.Cause(ctx))
	case lastErr == nil:
		lastErr = err
	}
	return last, lastErr
}

func gaps() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = firstGap, lastGap
	return b
}

// pace keeps to the rate that was asked for.
func (s *Session) pace(ctx context.Context) error {
	if s.limiter == nil {
		return nil
	}
	return s.limiter.Wait(ctx)
}

// pause turns err into what backoff is to do about it.
func (s *Session) pause(r request, err error, tries int) error {
	if err == nil {
		return nil
	}
	v := judge(err, r.again)
	if v == final || v == soon && tries >= maxTries || v == electing && s.fixed && tries >= maxTries {
		return backoff.Permanent(err)
	}
	s.server.log().Debug("trying again", "op", r.op, "path", r.path, "err", err)
	var p *postponed
	if errors.As(err, &p) {
		return errors.Join(err, &backoff.RetryAfterError{Duration: min(p.after, s.server.leaderWait()/2)})
	}
	return err
}

// judge decides about an error of a request. Unless again, it says final to all that leaves open whether
// the server acted.
func judge(err error, again bool) verdict {
	var e *Error
	if !errors.As(err, &e) {
		return judgeLost(err, again)
	}
	switch {
	case errors.Is(e, ErrNoLeader), errors.Is(e, ErrSealed):
		return electing // said before anything else is looked at
	case e.Status == http.StatusTooManyRequests:
		return soon
	case (e.Status >= 500 || e.Status == http.StatusPreconditionFailed) && again:
		return soon
	}
	return final
}

// judgeLost decides about a request that got no answer.
func judgeLost(err error, again bool) verdict {
	if !errors.Is(err, ErrUnreachable) || errors.Is(err, errTooLarge) || untrusted(err) {
		return final
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || again {
		return electing
	}
	return final
}

// follow looks for the node that is active now, if err was about that. If there is none yet, the next try
// at the old one says so; if there will be none, it returns why.
func (s *Session) follow(ctx context.Context, err error) error {
	if s.fixed || judge(err, true) != electing {
		return nil
	}
	st, err := s.find(ctx)
	switch {
	case err != nil && hopeless(err):
		return err
	case err != nil:
		s.server.log().Debug("no active node yet", "err", err)
		return nil
	}
	s.mu.Lock()
	token := s.token
	s.status = st
	s.mu.Unlock()
	return s.to(st.Address, token)
}
