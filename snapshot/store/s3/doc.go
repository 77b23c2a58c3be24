// Package s3 keeps the objects of a repository in a bucket of any S3-compatible server:
// s3://bucket/prefix?region=…&endpoint=…&path_style=…
//
// One Put is one PutObject with the body's SHA-256, which the server checks, and
// If-None-Match: *, so that it never replaces an object. Swap is a PutObject with If-Match.
// Credentials come from where every AWS tool takes them: environment, profile, role.
//
// Failed requests are tried again with growing pauses, stalled connections are cut after
// Options.Stall, and a Get whose connection breaks goes on where it stopped. What is in
// doubt stays honest: a Put whose first answer was lost finds its own object and reports
// fs.ErrExist; a Swap in that place reads back whose body is there. For that the bodies of
// one register must all differ, as leases and signed notes do: a version is the server's
// ETag, which equal bodies share.
//
// The store's clock is the Date of the server's answers, exact to the second. Errors carry
// the server's error code and never its text, which can repeat what was signed.
//
// In a bucket with versions Delete adds a delete marker, and old versions stay.
package s3
