package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"holdfast/snapshot"
)

// A failure is an error of the server or on the way to it, in few words. It matches its
// kind and its cause, whose own words can be long and repeat what was signed.
type failure struct {
	text  string
	kind  error // nil if there is no sentinel for it
	cause error
}

func (f *failure) Error() string {
	if f.kind == nil {
		return f.text
	}
	return f.kind.Error() + ": " + f.text
}

func (f *failure) Unwrap() []error { return []error{f.kind, f.cause} }

// explain gives err, of a request, the meaning that callers branch on.
func explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		// The SDK's words for it do not always match the context's.
		return &failure{text: ctx.Err().Error(), cause: errors.Join(ctx.Err(), err)}
	}
	if e, ok := errors.AsType[noCredentials](err); ok {
		return &failure{kind: snapshot.ErrDenied, text: "finding AWS credentials: " + innermost(e.error), cause: err}
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return &failure{kind: kindOf(e, status(err)), text: describe(e, status(err)), cause: err}
	}
	if n := status(err); n != 0 {
		return &failure{kind: kindOfStatus(n), text: fmt.Sprintf("the server answered %d %s", n, http.StatusText(n)), cause: err}
	}
	return &failure{text: network(err), cause: err}
}

func status(err error) int {
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok && e.Response != nil {
		return e.HTTPStatusCode()
	}
	return 0
}

// kinds maps error codes of AWS and of other servers to what they mean here.
var kinds = map[string]error{
	"NoSuchBucket": snapshot.ErrNoBucket,

	"NoSuchKey": fs.ErrNotExist,
	"NotFound":  fs.ErrNotExist,

	"PreconditionFailed": fs.ErrExist,

	"AccessDenied":             snapshot.ErrDenied,
	"AllAccessDisabled":        snapshot.ErrDenied,
	"AccountProblem":           snapshot.ErrDenied,
	"AuthorizationQueryError":  snapshot.ErrDenied,
	"ExpiredToken":             snapshot.ErrDenied,
	"ExpiredTokenException":    snapshot.ErrDenied,
	"Forbidden":                snapshot.ErrDenied,
	"InvalidAccessKeyId":       snapshot.ErrDenied,
	"InvalidClientTokenId":     snapshot.ErrDenied,
	"InvalidSecurity":          snapshot.ErrDenied,
	"InvalidToken":             snapshot.ErrDenied,
	"NotSignedUp":              snapshot.ErrDenied,
	"SignatureDoesNotMatch":    snapshot.ErrDenied,
	"TokenRefreshRequired":     snapshot.ErrDenied,
	"UnauthorizedAccess":       snapshot.ErrDenied,
	"UnrecognizedClientExcept": snapshot.ErrDenied,

	"QuotaExceeded":                  snapshot.ErrFull,
	"InsufficientStorage":            snapshot.ErrFull,
	"StorageFull":                    snapshot.ErrFull,
	"XMinioStorageFull":              snapshot.ErrFull,
	"XMinioAdminBucketQuotaExceeded": snapshot.ErrFull,
	"XAmzContentChecksumMismatch":    nil,

	"NotImplemented":                       snapshot.ErrUnsupported,
	"InvalidBucketObjectLockConfiguration": snapshot.ErrUnsupported,
}

func kindOf(e smithy.APIError, status int) error {
	// "Bucket is missing Object Lock Configuration": the code is the one of all bad requests.
	message := strings.ToLower(strings.ReplaceAll(e.ErrorMessage(), " ", ""))
	if e.ErrorCode() == "InvalidRequest" && strings.Contains(message, "missingobjectlockconfiguration") {
		return snapshot.ErrUnsupported
	}
	if kind, ok := kinds[e.ErrorCode()]; ok {
		return kind
	}
	return kindOfStatus(status)
}

func kindOfStatus(status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return snapshot.ErrDenied
	case http.StatusPreconditionFailed:
		return fs.ErrExist
	case http.StatusInsufficientStorage:
		return snapshot.ErrFull
	case http.StatusNotImplemented:
		return snapshot.ErrUnsupported
	}
	return nil
}

// describe names the error by its code, which is what manuals list, and adds what helps.
func describe(e smithy.APIError, status int) string {
	text := fmt.Sprintf("%s (%d)", e.ErrorCode(), status)
	switch e.ErrorCode() {
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		text += ": the bucket is in another region, set region in its URL"
	case "BadDigest", "XAmzContentChecksumMismatch":
		text += ": the body is not what its SHA-256 says"
	case "InvalidRange":
		text += ": no bytes there"
	case "RequestTimeTooSkewed":
		text += ": this host's clock is wrong"
	}
	return text
}

// retained tells the refusals to delete a locked object from other refusals.
func retained(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	text := strings.ToLower(e.ErrorMessage())
	switch e.ErrorCode() {
	case "AccessDenied":
		return strings.Contains(text, "object lock") || strings.Contains(text, "legal hold")
	case "InvalidRequest", "ObjectLocked":
		return e.ErrorCode() == "ObjectLocked" || strings.Contains(text, "worm protected")
	}
	return false
}

// network says what went wrong on the way, without the layers of client above it.
func network(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "the connection stalled: " + innermost(err)
	}
	return err.Error()
}

// innermost returns the words of the deepest error of a chain.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
