package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

// Put implements snapshot.Store. When the answer to a first attempt is lost, a second one
// finds the object of the first, and the error matches fs.ErrExist although this call
// stored it: callers compare, or name objects by their digest.
func (s *Store) Put(ctx context.Context, key string, body []byte, o snapshot.PutOptions) error {
	in, err := s.putInput(key, body, o)
	if err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	in.IfNoneMatch = aws.String("*")
	_, err = s.client.PutObject(ctx, in, unsignedPayload)
	if err == nil {
		return nil
	}
	err = explain(ctx, err)
	if errors.Is(err, fs.ErrExist) && s.deleted(ctx, in.Key) {
		err = fmt.Errorf("the server says of a deleted object that it exists: %w", snapshot.ErrUnsupported)
	}
	return fmt.Errorf("storing %s: %w", key, err)
}

// deleted tells whether an object that is said to exist cannot be found. Some servers take
// the delete marker of a bucket with versions for the object, and a caller who believed
// them would rely on what nobody can read.
func (s *Store) deleted(ctx context.Context, name *string) bool {
	_, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: name})
	return err != nil && errors.Is(explain(ctx, err), fs.ErrNotExist)
}

func (s *Store) putInput(key string, body []byte, o snapshot.PutOptions) (*s3.PutObjectInput, error) {
	name, err := s.name(key)
	if err != nil {
		return nil, err
	}
	sum := o.SHA256
	if sum == [sha256.Size]byte{} {
		sum = sha256.Sum256(body)
	}
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: name, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	}
	if o.Lock == (snapshot.Lock{}) {
		return in, nil
	}
	if in.ObjectLockMode, err = lockMode(o.Lock); err != nil {
		return nil, err
	}
	in.ObjectLockRetainUntilDate = aws.Time(o.Lock.Until.UTC())
	return in, nil
}

// unsignedPayload keeps the SDK from hashing the body once more. Its SHA-256 is in a header
// that is signed, so the server checks the body as strictly.
func unsignedPayload(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// List implements snapshot.Store. What lies under the prefix and is no key, such as the
// folder markers that some tools make, is left out.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[snapshot.Object, error] {
	return func(yield func(snapshot.Object, error) bool) {
		if err := s.list(ctx, prefix, yield); err != nil {
			yield(snapshot.Object{}, fmt.Errorf("listing %q: %w", prefix, err))
		}
	}
}

func (s *Store) list(ctx context.Context, prefix string, yield func(snapshot.Object, error) bool) error {
	if !store.CheckPrefix(prefix) {
		return nil
	}
	last := ""
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return explain(ctx, err)
		}
		for _, o := range page.Contents {
			key, ok := strings.CutPrefix(aws.ToString(o.Key), s.prefix)
			if !ok || !strings.HasPrefix(key, prefix) || store.CheckKey(key) != nil {
				continue
			}
			if key <= last {
				// What merges two listings would take the rest for missing.
				return fmt.Errorf("the server lists %q after %q: %w", key, last, snapshot.ErrUnsupported)
			}
			last = key
			if !yield(snapshot.Object{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}, nil) {
				return nil
			}
		}
	}
	return nil
}

// Delete implements snapshot.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	name, err := s.name(key)
	if err != nil {
		return fmt.Errorf("deleting %s: %w", key, err)
	}
	_, err = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: name})
	if err == nil {
		return nil
	}
	if retained(err) {
		return fmt.Errorf("deleting %s: %w", key, snapshot.ErrRetained)
	}
	err = explain(ctx, err)
	if errors.Is(err, fs.ErrNotExist) || status(err) == http.StatusNotFound && !errors.Is(err, snapshot.ErrNoBucket) {
		return nil // AWS never says so, others may
	}
	return fmt.Errorf("deleting %s: %w", key, err)
}
