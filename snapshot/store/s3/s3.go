package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"holdfast/snapshot/store"
)

// A Store keeps objects in a bucket. It implements snapshot.Store and snapshot.Registers.
type Store struct {
	client   *s3.Client
	bucket   string
	prefix   string // "" or with a slash at its end
	attempts int
	backoff  retry.BackoffDelayer
}

var (
	_ store.Store     = (*Store)(nil)
	_ store.Inspector = (*Store)(nil)
)

// Open readies the store. It reads the host's AWS configuration and speaks to no server
// yet: what is wrong with bucket or credentials shows at first use.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(httpClient(o)))
	if err != nil {
		return nil, fmt.Errorf("opening bucket %s: reading the AWS configuration: %w", o.Bucket, err)
	}
	switch {
	case o.Region != "":
		cfg.Region = o.Region
	case cfg.Region == "" && o.Endpoint == "":
		return nil, fmt.Errorf("opening bucket %s: no region: add ?region=… to the URL or set AWS_REGION", o.Bucket)
	case cfg.Region == "":
		cfg.Region = "us-east-1" // servers that are not AWS ignore it; it has to be signed
	}
	cfg.Credentials = aws.NewCredentialsCache(credentials{cfg.Credentials})
	// Bodies carry the SHA-256 that we have already, and readers compare digests.
	cfg.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	cfg.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	backoff := retry.NewExponentialJitterBackoff(o.Pause)
	cfg.Retryer = func() aws.Retryer { return newRetryer(o.Attempts, backoff) }
	client := s3.NewFromConfig(cfg, func(c *s3.Options) {
		c.UsePathStyle = o.PathStyle
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
	})
	s := &Store{client: client, bucket: o.Bucket, attempts: o.Attempts, backoff: backoff}
	if o.Prefix != "" {
		s.prefix = o.Prefix + "/"
	}
	return s, nil
}

// newRetryer tries again what the SDK thinks worth it, and puts that met another: 409
// promises nothing about which of two concurrent puts is stored, but one retry tells.
func newRetryer(attempts int, backoff retry.BackoffDelayer) aws.Retryer {
	r := retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Backoff = backoff
		// The budget that clients share by default runs dry under parallel puts while a
		// server restarts; attempts and pauses are bound enough.
		o.RateLimiter = unlimited{}
	})
	// versitygw says the last of a folder that is just being made or removed.
	return retry.AddWithErrorCodes(r, "ConditionalRequestConflict", "OperationAborted", "ExistingObjectIsDirectory")
}

type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}

func (unlimited) AddTokens(uint) error { return nil }

// credentials mark errors of finding credentials, which have no type of their own.
type credentials struct{ aws.CredentialsProvider }

type noCredentials struct{ error }

func (e noCredentials) Unwrap() error { return e.error }

func (c credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c.CredentialsProvider == nil {
		return aws.Credentials{}, noCredentials{errors.New("none configured")}
	}
	found, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		return found, noCredentials{err}
	}
	return found, err
}

// name returns the name of key in the bucket.
func (s *Store) name(key string) (*string, error) {
	if err := store.CheckKey(key); err != nil {
		return nil, err
	}
	return aws.String(s.prefix + key), nil
}
