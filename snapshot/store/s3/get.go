package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"holdfast/snapshot"
)

// Get implements snapshot.Store. A connection that breaks while the body is read is made
// again for the rest of the same version of the object.
func (s *Store) Get(ctx context.Context, key string, r snapshot.Range) (io.ReadCloser, error) {
	name, err := s.name(key)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	if r.Offset < 0 || r.Length < 0 {
		return nil, fmt.Errorf("reading %s: no bytes at %d+%d", key, r.Offset, r.Length)
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: name, Range: rangeHeader(r.Offset, r.Length)}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, explain(ctx, err))
	}
	if in.Range != nil && out.ContentRange == nil {
		return nil, errors.Join(fmt.Errorf("reading %s: %w: the server ignores ranges", key, snapshot.ErrUnsupported), out.Body.Close())
	}
	in.IfMatch = out.ETag
	return &reader{ctx: ctx, store: s, in: in, key: key, body: out.Body, at: r.Offset, left: aws.ToInt64(out.ContentLength)}, nil
}

// rangeHeader returns nil for a whole object: an empty one has no range that is valid.
func rangeHeader(offset, length int64) *string {
	switch {
	case length > 0:
		return aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	case offset > 0:
		return aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	return nil
}

// A reader reads one version of an object.
type reader struct {
	ctx   context.Context
	store *Store
	in    *s3.GetObjectInput // with the version's ETag
	key   string
	body  io.ReadCloser
	at    int64 // in the object, of the next byte
	left  int64 // bytes that are still to come
	tries int   // since the last byte
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		if r.ctx.Err() != nil {
			return 0, fmt.Errorf("reading %s: %w", r.key, r.ctx.Err())
		}
		n, err := r.body.Read(p)
		r.at, r.left = r.at+int64(n), r.left-int64(n)
		if n > 0 {
			r.tries = 0
			return n, nil // an error comes again, or the next read finds out
		}
		if err == nil {
			return 0, nil
		}
		if errors.Is(err, io.EOF) && r.left <= 0 {
			return 0, io.EOF
		}
		if err := r.resume(err); err != nil {
			return 0, fmt.Errorf("reading %s: %w", r.key, err)
		}
	}
}

// resume asks for the rest after cause broke the connection.
func (r *reader) resume(cause error) error {
	if errors.Is(cause, io.EOF) {
		cause = io.ErrUnexpectedEOF
	}
	if r.tries++; r.ctx.Err() != nil || r.tries >= r.store.attempts || r.left <= 0 {
		return explain(r.ctx, cause)
	}
	if err := r.store.pause(r.ctx, r.tries); err != nil {
		return err
	}
	r.in.Range = rangeHeader(r.at, r.left)
	out, err := r.store.client.GetObject(r.ctx, r.in)
	if err != nil {
		return explain(r.ctx, err)
	}
	if aws.ToInt64(out.ContentLength) != r.left || r.at > 0 && out.ContentRange == nil {
		return errors.Join(errors.New("the server sent another range than the rest"), out.Body.Close())
	}
	_ = r.body.Close() // broken already
	r.body = out.Body
	return nil
}

// pause waits before try number n, from 1.
func (s *Store) pause(ctx context.Context, n int) error {
	d, err := s.backoff.BackoffDelay(n, nil)
	if err != nil {
		return err
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reader) Close() error { return r.body.Close() }
