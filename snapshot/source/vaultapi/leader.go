package vaultapi

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cenkalti/backoff/v5"
)

// begin finds the active node and logs in there. While the cluster elects a leader it waits.
func (s *Session) begin(ctx context.Context) error {
	if len(s.server.Addresses) == 0 {
		return errors.New("no address is configured")
	}
	st, err := s.await(ctx)
	if err != nil {
		return err
	}
	s.status = st
	if err := s.to(st.Address, ""); err != nil {
		return err
	}
	return s.login(ctx)
}

// await finds the active node, and tries again for as long as there may be one soon.
func (s *Session) await(ctx context.Context) (Status, error) {
	var last error
	tries := 0
	st, err := backoff.Retry(ctx, func() (Status, error) {
		st, err := s.find(ctx)
		last = err
		tries++
		if err != nil && (hopeless(err) || !errors.Is(err, ErrNoLeader) && tries >= maxTries) {
			return st, backoff.Permanent(err)
		}
		return st, err
	}, backoff.WithBackOff(gaps()), backoff.WithMaxElapsedTime(s.server.leaderWait()))
	if err != nil && ctx.Err() == nil {
		err = last
	}
	return st, err
}

// hopeless reports whether waiting does not help: somebody has to do something.
func hopeless(err error) bool {
	switch {
	case errors.Is(err, errScheme), untrusted(err):
		return true
	case errors.Is(err, ErrNoLeader):
		return false
	case errors.Is(err, ErrSealed), errors.Is(err, ErrUninitialized):
		return true
	}
	return judge(err, true) == final
}

// errScheme means that a leader is known by an address that a token must not go to.
var errScheme = errors.New("its scheme is not that of the configured address")

// find asks every address once, and the leaders that they name, for the active node. The error says
// what each answered.
func (s *Session) find(ctx context.Context) (Status, error) {
	asked := map[string]bool{}
	var heard report
	for _, address := range s.server.Addresses {
		st, err := s.askOnce(ctx, address, asked)
		if err == nil && !st.Active && st.LeaderAddress != "" {
			st, err = s.askLeader(ctx, st, asked)
		}
		if err == nil && st.Active {
			return st, nil
		}
		if ctx.Err() != nil {
			return Status{}, context.Cause(ctx)
		}
		if !errors.Is(err, errAsked) {
			heard.add(address, st, err)
		}
	}
	return Status{}, heard.verdict()
}

// errAsked means that a node was asked before in this round.
var errAsked = errors.New("asked before")

func (s *Session) askOnce(ctx context.Context, address string, asked map[string]bool) (Status, error) {
	node, err := parseAddress(address)
	if err != nil {
		return Status{}, err
	}
	if asked[node.String()] {
		return Status{}, errAsked
	}
	asked[node.String()] = true
	ctx, cancel := context.WithTimeout(ctx, min(s.link.timeout, 2*dialTimeout))
	defer cancel()
	return s.link.status(ctx, address)
}

// askLeader asks the node that a standby takes for the leader. It counts only by its own account.
func (s *Session) askLeader(ctx context.Context, standby Status, asked map[string]bool) (Status, error) {
	from, err := parseAddress(standby.Address)
	if err != nil {
		return Status{}, err
	}
	to, err := parseAddress(standby.LeaderAddress)
	if err != nil {
		return Status{}, fmt.Errorf("%w: %s is a standby, and of its leader: %w", ErrNoLeader, from, err)
	}
	if to.Scheme != from.Scheme {
		return Status{}, fmt.Errorf("%w: %s is a standby and says that its leader is %s: %w", ErrNoLeader, from, to, errScheme)
	}
	st, err := s.askOnce(ctx, standby.LeaderAddress, asked)
	switch {
	case errors.Is(err, errAsked):
		return st, fmt.Errorf("%w: %s is a standby and takes %s for the leader, which it is not", ErrNoLeader, from, to)
	case err != nil:
		return st, fmt.Errorf("%w: %s is a standby, and its leader %s gives no answer: %w", ErrNoLeader, from, to, err)
	case !st.Active:
		return st, fmt.Errorf("%w: %s is a standby and takes %s for the leader, which is %s", ErrNoLeader, from, to, st.state())
	}
	return st, nil
}

// A report collects what the configured addresses answered, for the error when no node is active.
type report struct {
	errs                []error
	asked, sealed, lost int
	fresh               int // never initialised
}

func (r *report) add(address string, st Status, err error) {
	r.asked++
	switch {
	case err != nil:
		r.lost++
		r.errs = append(r.errs, err)
	case !st.Initialized:
		r.fresh++
		r.errs = append(r.errs, fmt.Errorf("%s: %w", redact(address), ErrUninitialized))
	case st.Sealed:
		r.sealed++
		r.errs = append(r.errs, fmt.Errorf("%s: %w", redact(address), ErrSealed))
	default:
		r.errs = append(r.errs, fmt.Errorf("%s is a standby and knows no active node", redact(address)))
	}
}

// verdict is why no node is active. Only if all answered the same is that the reason: otherwise a
// leader may be elected any moment.
func (r *report) verdict() error {
	if r.asked == r.sealed || r.asked == r.fresh || r.asked == r.lost {
		return several(r.errs)
	}
	return several(append([]error{ErrNoLeader}, r.errs...))
}

// several are errors of which each is a reason.
type several []error

func (s several) Error() string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (s several) Unwrap() []error { return s }
