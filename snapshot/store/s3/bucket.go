package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"holdfast/snapshot/store"
)

// A State is whether a bucket has a feature, as far as these credentials may know.
type State string

// States of a feature of a bucket.
const (
	On      State = "on"
	Off     State = "off"
	Unknown State = "unknown" // these credentials may not ask, or the server cannot say
)

// A Bucket is how a bucket is set up.
type Bucket struct {
	Versioning  State
	ObjectLock  State
	DefaultMode string // "governance" or "compliance" if objects are locked by default
	DefaultDays int
}

// Bucket asks how the bucket is set up. What these credentials may not read is Unknown.
// Whether object lock is on is always asked; most servers answer, so the error is one of
// reaching the server, or that the bucket does not exist.
func (s *Store) Bucket(ctx context.Context) (Bucket, error) {
	b := Bucket{Versioning: Unknown, ObjectLock: Unknown}
	versioning, err := s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.bucket})
	switch {
	case err == nil:
		b.Versioning = state(versioning.Status == types.BucketVersioningStatusEnabled)
	case !refused(err):
		return b, fmt.Errorf("asking for the versioning of bucket %s: %w", s.bucket, explain(ctx, err))
	}
	lock, err := s.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &s.bucket})
	switch {
	case err == nil:
		b.setLock(lock.ObjectLockConfiguration)
	case code(err) == "ObjectLockConfigurationNotFoundError":
		b.ObjectLock = Off
	case !refused(err):
		return b, fmt.Errorf("asking for the object lock of bucket %s: %w", s.bucket, explain(ctx, err))
	}
	return b, nil
}

func (b *Bucket) setLock(c *types.ObjectLockConfiguration) {
	b.ObjectLock = state(c != nil && c.ObjectLockEnabled == types.ObjectLockEnabledEnabled)
	if c == nil || c.Rule == nil || c.Rule.DefaultRetention == nil {
		return
	}
	switch d := c.Rule.DefaultRetention; d.Mode {
	case types.ObjectLockRetentionModeGovernance:
		b.DefaultMode, b.DefaultDays = "governance", int(aws.ToInt32(d.Days)+365*aws.ToInt32(d.Years))
	case types.ObjectLockRetentionModeCompliance:
		b.DefaultMode, b.DefaultDays = "compliance", int(aws.ToInt32(d.Days)+365*aws.ToInt32(d.Years))
	}
}

func state(on bool) State {
	if on {
		return On
	}
	return Off
}

// refused tells whether the server answered that it will not or cannot say.
func refused(err error) bool {
	n := status(err)
	return n >= 400 && n < 500 && code(err) != "NoSuchBucket" || n == 501
}

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// Inspect implements store.Inspector: versioning and object lock, neither of them required.
func (s *Store) Inspect(ctx context.Context) []store.Capability {
	versioning, lock := store.Capability{Name: "versioning"}, store.Capability{Name: "object lock"}
	b, err := s.Bucket(ctx)
	if err != nil {
		versioning.Detail, lock.Detail = err.Error(), err.Error()
		return []store.Capability{versioning, lock}
	}
	versioning.OK, versioning.Detail = b.Versioning == On, string(b.Versioning)
	lock.OK, lock.Detail = b.ObjectLock == On, string(b.ObjectLock)
	if b.DefaultMode != "" {
		lock.Detail = fmt.Sprintf("on, by default %s for %d days", b.DefaultMode, b.DefaultDays)
	}
	return []store.Capability{versioning, lock}
}
