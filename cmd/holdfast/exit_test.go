package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/vaultapi"
)

func TestErrorsLeadToTheirExitCodes(t *testing.T) {
	tests := []struct {
		err  error
		code int
		hint string
	}{
		{errors.New("unheard of"), 1, ""},
		{&usage{message: "x", hint: "y"}, 2, "y"},
		{misuse(errors.New("x")), 2, ""},
		{config.Errors{{File: "f", Line: 1, Column: 2, Message: "m"}}, 2, ""},
		{config.ErrMixedRecipients, 2, "post-quantum"},
		{config.ErrSecretMissing, 2, "set it"},
		{errNeedIdentity, 2, "-i"},
		{snapshot.Damaged("packs/ab", "wrong digest"), 3, "verify"},
		{snapshot.Damaged(snapshot.RepositoryKey, "missing"), 3, "restore the object"},
		{&age.NoIdentityMatchError{}, 3, "-i"},
		{snapshot.ErrUntrusted, 3, "keys.trust"},
		{snapshot.ErrLeaseHeld, 4, "wait"},
		{errObjective, 5, ""},
		{restore.ErrOccupied, 6, "--replace"},
		{restore.Problems{errors.New("x"), restore.ErrOccupied}, 6, "--replace"},
		{restore.Problems{restore.ErrOccupied, errTargetDenied}, 6, "--replace; name a superuser"},
		{errRefused, 6, ""},
		{context.Canceled, 130, ""},
		{&interrupted{snapshot.ErrDenied}, 130, ""},
		{&panicError{value: "x"}, 1, "bug"},
		{snapshot.ErrDenied, 1, "credentials"},
		{syscall.ECONNREFUSED, 1, "endpoint"},
		{&net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.ENOENT)}, 1, "socket"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x"}}, 1, "name right"},
		{&tls.CertificateVerificationError{Err: errors.New("x")}, 1, "sslrootcert"},
		{fmt.Errorf("%w: %w", errClusterUnreachable, &tls.CertificateVerificationError{Err: errors.New("x")}), 1, "VAULT_CACERT"},
		{fmt.Errorf("%w: %w", errClusterUnreachable, &net.DNSError{Err: "no such host", Name: "x"}), 1, "name right"},
		{fmt.Errorf("%w: %w", errClusterUnreachable, syscall.ECONNREFUSED), 1, "api_addr"},
		{fmt.Errorf("%w: %w", errClusterUnreachable, errors.New("http: server gave HTTP response to HTTPS client")), 1, "vault+http://"},
		{&vaultapi.Error{Status: 403, Op: "logging in at", Path: "auth/approle/login"}, 1, "secret id"},
		{fmt.Errorf("%w: %w", errClusterDenied, &vaultapi.Error{Status: 400, Op: "logging in at", Path: "auth/approle/login"}), 1, "secret id"},
		{&vaultapi.Error{Status: 403, Op: "reading", Path: "sys/mounts"}, 1, "README"},
		{errClusterExpired, 1, "VAULT_TOKEN"},
		{&link.Error{Code: "28P01"}, 1, "PGPASSWORD"},
		{&link.Error{Code: "28000"}, 1, "pg_hba.conf"},
		{&link.Error{Code: "3D000"}, 1, "--create"},
		{&link.Error{Code: "42601"}, 1, ""},
		{snapshot.ErrNoBucket, 1, "repository.url"},
		{snapshot.ErrFull, 1, "room"},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, 1, "user"},
		{context.DeadlineExceeded, 1, "timeout"},
		// Of several errors the worst decides; work cancelled by a failure is not an interruption.
		{errors.Join(snapshot.ErrDenied, snapshot.Damaged("k", "x")), 3, "verify"},
		{errors.Join(context.Canceled, snapshot.ErrDenied), 1, "credentials"},
		{errors.Join(snapshot.ErrLeaseHeld, errObjective), 5, ""},
	}
	for _, tt := range tests {
		for _, err := range []error{tt.err, fmt.Errorf("doing x: %w", tt.err)} {
			code, hint := judge(err)
			if code != tt.code || !strings.Contains(hint, tt.hint) {
				t.Errorf("%v: exit %d, hint %q; want %d, %q", err, code, hint, tt.code, tt.hint)
			}
		}
	}
}

func TestFailureIsOneJSONDocument(t *testing.T) {
	var out, errs strings.Builder
	code := run(t.Context(), []string{"--json", "key", "show", "/none/such"}, strings.NewReader(""), &out, &errs)
	var f failure
	if err := json.Unmarshal([]byte(out.String()), &f); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if f.Exit != code || code != 1 || !strings.Contains(f.Error, "/none/such") || !strings.HasPrefix(errs.String(), "error: ") {
		t.Errorf("exit %d, %+v\n%s", code, f, errs.String())
	}
}

func TestErrorAfterAResultAddsNoSecondDocument(t *testing.T) {
	var out, errs strings.Builder
	a := newApp(nil, &out, &errs)
	a.json = true
	if err := a.print(map[string]int{"found": 1}, nil); err != nil {
		t.Fatal(err)
	}
	if code := a.fail(snapshot.Damaged("packs/ab", "wrong digest")); code != 3 {
		t.Errorf("exit %d", code)
	}
	if !json.Valid([]byte(out.String())) || !strings.Contains(errs.String(), "packs/ab is damaged") {
		t.Errorf("stdout\n%s\nstderr\n%s", out.String(), errs.String())
	}
}

func TestInterruptedCommandExits130(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs strings.Builder
	if code := run(ctx, []string{"key", "show", "/none"}, nil, &strings.Builder{}, &errs); code != 130 {
		t.Errorf("exit %d\n%s", code, errs.String())
	}
}

func TestUnwritableResultIsAFailure(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"config", "schema"}, {"completion", "bash"}, {"key", "generate"}} {
		var errs strings.Builder
		if code := run(t.Context(), args, nil, full, &errs); code != 1 || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%v: exit %d\n%s", args, code, errs.String())
		}
	}
}

func TestErrorsOfSeveralVaultsAreToldOneByOne(t *testing.T) {
	err := together(nil, fmt.Errorf("snapshot of a: %w", snapshot.ErrDenied), nil,
		advise(errors.Join(errors.New("snapshot of b"), errors.New("cleaning up\x1b[2J")), "mend b"))
	var out, errs strings.Builder
	a := newApp(nil, &out, &errs)
	a.json = true
	if code := a.fail(err); code != exitFailed {
		t.Errorf("exit %d", code)
	}
	want := "error: snapshot of a: access denied\nhint: check the store's credentials and their rights to read, list and write\n" +
		"error: snapshot of b; cleaning up\uFFFD[2J\nhint: mend b\n"
	if errs.String() != want {
		t.Errorf("got\n%s\nwant\n%s", errs.String(), want)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1 {
		t.Errorf("%d lines of JSON:\n%s", lines, out.String())
	}
	if together(nil, nil) != nil {
		t.Error("no errors are an error")
	}
}

func TestHintChangesNoExitCode(t *testing.T) {
	for _, err := range []error{errors.New("unheard of"), snapshot.ErrLeaseHeld, snapshot.Damaged("k", "x"), errRefused, errObjective} {
		want, _ := judge(err)
		if code, hint := judge(advise(err, "do this")); code != want || hint != "do this" {
			t.Errorf("%v: exit %d, hint %q, want %d", err, code, hint, want)
		}
	}
}
