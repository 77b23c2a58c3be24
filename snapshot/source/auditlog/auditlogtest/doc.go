// Package auditlogtest writes audit logs for tests: lines of the shape that a real file audit
// device has, the same for the same seed. It imports nothing of what it helps to test.
package auditlogtest
