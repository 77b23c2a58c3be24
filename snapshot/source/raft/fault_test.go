package raft

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"holdfast/fixtures/vaultfake"
	"holdfast/snapshot"
	"holdfast/snapshot/source/vaultapi"
)

// faked starts a fake cluster that gives an archive, and a source that logs in there by AppRole.
func faked(t *testing.T, archive []byte, nodes int) (*vaultfake.Cluster, *Source) {
	t.Helper()
	c := vaultfake.Start(t, archive, nodes)
	s := fakeSource(c.Addresses()...)
	s.Server.Auth = vaultapi.Auth{
		Method: vaultapi.MethodAppRole, RoleID: fixed(vaultfake.RoleID), SecretID: fixed(vaultfake.SecretID),
	}
	t.Cleanup(func() {
		if n := c.LiveTokens(); n != 0 {
			t.Errorf("%d tokens were not revoked", n)
		}
	})
	return c, s
}

func TestFaultyArchiveNeverBecomesADump(t *testing.T) {
	whole := shared.Get(t).Snapshot(t)
	gone := func(w io.Writer) error {
		_, err := io.WriteString(w, "\x7fnot an entry")
		return err
	}
	ofVersion2 := members(t, storage(1))
	ofVersion2[0] = member(MetaName, `{"Version":2,"Size":1}`)
	noJSON := members(t, storage(1))
	noJSON[0] = member(MetaName, `meta`)
	for name, c := range map[string]struct {
		archive []byte
		says    string
		asked   int
	}{
		"an empty answer":       {nil, "cut short after 0 bytes", downloadTries},
		"an answer of JSON":     {[]byte(`{"data":{}, "and": "more"}`), "gzip", 1},
		"cut early, well ended": {vaultfake.Cut(whole, 100), "cut short", downloadTries},
		"cut late, well ended":  {vaultfake.Cut(whole, len(whole)/2), "run again", 1},
		"cut by the last byte":  {vaultfake.Cut(whole, len(whole)-1), "run again", 1},
		"more after the end":    {vaultfake.Append(whole, "x"), "after the end", 1},
		"more inside the gzip":  {vaultfake.AppendInside(whole, "x"), "after the end of the tar", 1},
		"a flipped bit":         {vaultfake.Flip(whole, len(whole)/2), "", 1},
		"no meta.json":          {vaultfake.Without(whole, MetaName), "meta.json should be", 1},
		"no state.bin":          {vaultfake.Without(whole, StateName), "state.bin should be", 1},
		"no SHA256SUMS":         {vaultfake.Without(whole, SumsName), "SHA256SUMS should be", 1},
		"no SHA256SUMS.sealed":  {vaultfake.Without(whole, SealedName), "SHA256SUMS.sealed is missing", 1},
		"no member":             {vaultfake.NoMembers(), "meta.json is missing", 1},
		"state.bin twice":       {vaultfake.Doubled(whole, StateName), `"state.bin" is where SHA256SUMS should be`, 1},
		"another name":          {vaultfake.Renamed(whole, SealedName, "sealed"), `"sealed" is where SHA256SUMS.sealed should be`, 1},
		"the other way round":   {vaultfake.Reversed(whole), "meta.json should be", 1},
		"another state.bin":     {vaultfake.OtherContent(whole, StateName), "", 1},
		"other sums":            {vaultfake.OtherContent(whole, SumsName), "SHA256SUMS", 1},
		"another size":          {vaultfake.WrongSize(whole), "meta.json says", 1},
		"another version":       {packed(t, ofVersion2), "version is 2", 1},
		"no JSON":               {packed(t, noJSON), "meta.json", 1},
		"an unknown state.bin":  {packed(t, members(t, gone)), "state.bin", 1},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := faked(t, c.archive, 1)
			refused(t, s, ErrArchive, c.says)
			if n := f.Asked(snapshotPath); n != c.asked {
				t.Errorf("asked %d times, want %d", n, c.asked)
			}
		})
	}
}

func TestDownloadThatBreaksBeforeStateBinIsBegunAnew(t *testing.T) {
	whole := packed(t, members(t, storage(300)))
	for name, c := range map[string]struct {
		faults vaultfake.Faults
		asked  int
	}{
		"cut":           {vaultfake.Faults{CutAfter: 20}, 2},
		"cut gently":    {vaultfake.Faults{CutAfter: 20, Gently: true}, 2},
		"busy":          {vaultfake.Faults{Busy: 2}, 1},
		"out of order":  {vaultfake.Faults{Broken: 2}, 1},
		"a new leader":  {vaultfake.Faults{CutAfter: 20, Standby: vaultfake.Empty}, 2},
		"a second node": {vaultfake.Faults{CutAfter: 20, Standby: vaultfake.Refuses}, 2},
	} {
		f, s := faked(t, whole, 2)
		s.Server.Auth = vaultapi.Auth{Method: vaultapi.MethodToken, Token: fixed(f.Token)} // a login is not sent twice
		c.faults.OnCut = func() {
			f.Set(vaultfake.Faults{Standby: c.faults.Standby})
			if c.faults.Standby != vaultfake.Redirects {
				f.Kill(0)
				f.Lead(1)
			}
		}
		f.Set(c.faults)
		if r := dump(t, s); r.streams[StateName].rows != 300 || f.Asked(snapshotPath) < c.asked {
			t.Errorf("%s: %d entries, asked %d times", name, r.streams[StateName].rows, f.Asked(snapshotPath))
		}
	}
}

// Whichever way a standby answers to who asks it for an archive, it is not asked.
func TestStandbyIsNeverAskedForAnArchive(t *testing.T) {
	whole := packed(t, members(t, storage(3)))
	for _, standby := range []vaultfake.Standby{vaultfake.Redirects, vaultfake.Empty, vaultfake.Elsewhere, vaultfake.Refuses} {
		f, s := faked(t, whole, 3)
		f.Lead(2)
		f.Set(vaultfake.Faults{Standby: standby})
		dump(t, s)
		if !slices.Contains(f.Requests(), "2 GET "+snapshotPath) || f.Asked(snapshotPath) != 1 {
			t.Errorf("requests %q", f.Requests())
		}
	}
}

func TestNodeThatLostTheLeadIsNotBelieved(t *testing.T) {
	f, s := faked(t, packed(t, members(t, storage(3))), 2)
	f.Set(vaultfake.Faults{Standby: vaultfake.Redirects})
	sess, err := s.login(t.Context())
	must(t, err)
	f.Lead(1)
	r := &run{Source: s, d: &recorder{}, sess: sess}
	must(t, r.ask(t.Context()))
	must(t, r.download(t.Context()))
	must(t, sess.Close(t.Context()))
	if sess.Address() != f.Address(1) || r.entries != 3 {
		t.Errorf("%d entries from %s", r.entries, sess.Address())
	}
}

func TestClusterWithoutALeaderGivesNoDump(t *testing.T) {
	f, s := faked(t, packed(t, members(t, storage(3))), 3)
	f.Lead(-1)
	s.Server.LeaderWait = 1e9
	refused(t, s, vaultapi.ErrNoLeader)
	if n := f.Asked("auth/approle/login"); n != 0 {
		t.Errorf("%d logins at nodes that are not active", n)
	}
	f.Lead(0)
	f.Set(vaultfake.Faults{Sealed: []int{0, 1, 2}})
	refused(t, s, vaultapi.ErrSealed)
	f.Set(vaultfake.Faults{Leader: strings.Replace(f.Address(0), "http", "https", 1)})
	s.Server.Addresses = s.Server.Addresses[1:]
	refused(t, s, vaultapi.ErrNoLeader, f.Address(1), "scheme")
}

func TestTokenThatEndsMidwayIsAnError(t *testing.T) {
	f, s := faked(t, packed(t, members(t, storage(3))), 1)
	for uses := 1; uses <= 2; uses++ { // sys/mounts and sys/auth come before the archive
		f.Set(vaultfake.Faults{TokenUses: uses})
		refused(t, s, vaultapi.ErrExpired)
	}
}

func TestDownloadCutAnywhereFailsTheDump(t *testing.T) {
	whole := packed(t, members(t, storage(300)))
	rng := rand.New(rand.NewPCG(4, 2))
	for range 20 {
		f, s := faked(t, whole, 1)
		f.Set(vaultfake.Faults{CutAfter: 1 + rng.IntN(len(whole)-1)})
		refused(t, s, vaultapi.ErrUnreachable)
	}
}

func TestServerWithoutRaftIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"data":{}}`
		switch r.URL.Path {
		case "/v1/sys/seal-status":
			answer = `{"type":"shamir","initialized":true,"storage_type":"postgresql"}`
		case "/v1/sys/leader":
			answer = `{"ha_enabled":false}`
		}
		if _, err := io.WriteString(w, answer); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	refused(t, fakeSource(server.URL), ErrStorage, "postgresql")
	_, err := fakeSource(server.URL).Preflight(t.Context())
	wants(t, err, ErrStorage)
}

func TestErrorOfTheRepositoryEndsTheDownload(t *testing.T) {
	f, s := faked(t, packed(t, members(t, storage(2000))), 1)
	full := errors.New("the bucket is full")
	err := s.Dump(t.Context(), &fullDump{err: full})
	wants(t, err, full)
	if errors.Is(err, ErrArchive) || f.Asked(snapshotPath) != 1 {
		t.Errorf("asked %d times: %v", f.Asked(snapshotPath), err)
	}
}

// A fullDump takes a megabyte of state.bin.
type fullDump struct {
	discarded
	err error
}

func (f *fullDump) Stream(context.Context, snapshot.Stream) (snapshot.StreamWriter, error) {
	return &fullStream{left: 1 << 20, err: f.err}, nil
}

type fullStream struct {
	discarded
	left int
	err  error
}

func (s *fullStream) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		return 0, s.err
	}
	return len(p), nil
}
