package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

// Load implements snapshot.Registers. Now is exact to the second.
func (s *Store) Load(ctx context.Context, key string) (snapshot.Register, error) {
	r, err := s.load(ctx, key)
	if err != nil {
		return r, fmt.Errorf("loading %s: %w", key, err)
	}
	return r, nil
}

func (s *Store) load(ctx context.Context, key string) (snapshot.Register, error) {
	name, err := s.name(key)
	if err != nil {
		return snapshot.Register{}, err
	}
	var r snapshot.Register
	for try := 1; ; try++ {
		r, err = s.loadOnce(ctx, name)
		if !errors.Is(err, errBroken) || ctx.Err() != nil || try >= s.attempts {
			return r, err
		}
		if err := s.pause(ctx, try); err != nil {
			return r, err
		}
	}
}

// errBroken means that an answer began and did not end.
var errBroken = errors.New("the connection broke")

func (s *Store) loadOnce(ctx context.Context, name *string) (snapshot.Register, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: name})
	if err != nil {
		return snapshot.Register{Now: answered(err)}, explain(ctx, err)
	}
	r := snapshot.Register{
		Version:  version(out.ETag, out.VersionId),
		Modified: aws.ToTime(out.LastModified),
	}
	r.Now, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
	if r.Now.IsZero() {
		return snapshot.Register{}, errors.Join(errors.New("the server does not tell the time"), out.Body.Close())
	}
	if size := aws.ToInt64(out.ContentLength); size > store.MaxRegister {
		return snapshot.Register{Now: r.Now}, errors.Join(
			fmt.Errorf("it has %d bytes, at most %d fit a register", size, store.MaxRegister), out.Body.Close())
	}
	r.Body, err = io.ReadAll(io.LimitReader(out.Body, store.MaxRegister))
	if err := errors.Join(err, out.Body.Close()); err != nil {
		return snapshot.Register{Now: r.Now}, fmt.Errorf("%w: %w", errBroken, explain(ctx, err))
	}
	return r, nil
}

// answered returns the server's time of an answer that was an error, if there was one.
func answered(err error) time.Time {
	e, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok || e.Response == nil {
		return time.Time{}
	}
	t, err := http.ParseTime(e.Response.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// version joins the ETag, which Swap compares, and the version id, which tells equal bodies
// apart in a bucket that has versions.
func version(etag, id *string) string {
	return strings.TrimSpace(aws.ToString(etag) + " " + aws.ToString(id))
}

// Swap implements snapshot.Registers. An attempt whose answer is lost may have been carried
// out, or be about to: then the object itself has to tell whose body it holds.
func (s *Store) Swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	v, err := s.swap(ctx, key, body, old)
	if err != nil {
		return "", fmt.Errorf("swapping %s: %w", key, err)
	}
	return v, nil
}

func (s *Store) swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	if len(body) > store.MaxRegister {
		return "", fmt.Errorf("%d bytes, at most %d fit a register", len(body), store.MaxRegister)
	}
	inDoubt := false
	for try := 1; ; try++ {
		v, err := s.swapOnce(ctx, key, body, old)
		conflict := errors.Is(err, snapshot.ErrConflict)
		if err == nil || conflict && !inDoubt {
			return v, err
		}
		if !conflict && !ambiguous(err) {
			return "", err
		}
		inDoubt = true
		v, done, lookErr := s.landed(ctx, key, body, old)
		if done {
			return v, lookErr
		}
		if lookErr != nil || try >= s.attempts {
			return "", err
		}
		if err := s.pause(ctx, try); err != nil {
			return "", err
		}
	}
}

// landed looks whether an attempt in doubt was carried out. Done means there is an answer:
// it was, or someone else's was. Otherwise the old version is still there.
func (s *Store) landed(ctx context.Context, key string, body []byte, old string) (v string, done bool, err error) {
	r, err := s.load(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", old != "", conflictUnless(old == "")
	case err != nil:
		return "", false, err
	case r.Version == old:
		return "", false, nil
	case bytes.Equal(r.Body, body):
		return r.Version, true, nil
	}
	return "", true, snapshot.ErrConflict
}

func conflictUnless(ok bool) error {
	if ok {
		return nil
	}
	return snapshot.ErrConflict
}

// swapOnce makes one attempt, and no more: only Swap knows what to make of a lost answer.
func (s *Store) swapOnce(ctx context.Context, key string, body []byte, old string) (string, error) {
	in, err := s.putInput(key, body, snapshot.PutOptions{})
	if err != nil {
		return "", err
	}
	if old == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		etag, _, _ := strings.Cut(old, " ")
		in.IfMatch = aws.String(etag)
	}
	out, err := s.client.PutObject(ctx, in, unsignedPayload, func(o *s3.Options) { o.RetryMaxAttempts, o.Retryer = 1, aws.NopRetryer{} })
	if err == nil {
		return version(out.ETag, out.VersionId), nil
	}
	err = explain(ctx, err)
	switch status(err) {
	case http.StatusPreconditionFailed, http.StatusConflict:
		return "", snapshot.ErrConflict
	case http.StatusNotFound:
		if !errors.Is(err, snapshot.ErrNoBucket) && old != "" {
			return "", snapshot.ErrConflict
		}
	}
	return "", err
}

// ambiguous tells the errors after which the server may have stored the body: every one
// that is not an answer, and answers of a server, or of a proxy before it, in trouble.
func ambiguous(err error) bool {
	if _, ok := errors.AsType[noCredentials](err); ok {
		return false
	}
	n := status(err)
	return n == 0 || n >= 500 || n == http.StatusRequestTimeout || n == http.StatusTooManyRequests
}
