package s3

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"holdfast/snapshot"
)

var _ snapshot.Keeper = (*Store)(nil)

// Keep implements snapshot.Keeper. An object that is locked as long already is left alone: to
// set an earlier end would be refused.
func (s *Store) Keep(ctx context.Context, key string, l snapshot.Lock) error {
	if err := s.keep(ctx, key, l); err != nil {
		return fmt.Errorf("keeping %s: %w", key, err)
	}
	return nil
}

func (s *Store) keep(ctx context.Context, key string, l snapshot.Lock) error {
	mode, err := lockMode(l)
	if err != nil {
		return err
	}
	name, err := s.name(key)
	if err != nil {
		return err
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: name})
	if err != nil {
		return explain(ctx, err)
	}
	if head.ObjectLockRetainUntilDate != nil && !head.ObjectLockRetainUntilDate.Before(l.Until) {
		return nil
	}
	_, err = s.client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
		Bucket: &s.bucket, Key: name, VersionId: head.VersionId, ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionMode(mode), RetainUntilDate: aws.Time(l.Until.UTC())},
	})
	if err != nil {
		return explain(ctx, err)
	}
	return nil
}

func lockMode(l snapshot.Lock) (types.ObjectLockMode, error) {
	switch l.Mode {
	case "governance":
		return types.ObjectLockModeGovernance, nil
	case "compliance":
		return types.ObjectLockModeCompliance, nil
	}
	return "", fmt.Errorf("lock mode %q: %w", l.Mode, snapshot.ErrUnsupported)
}
