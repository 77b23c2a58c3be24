package raft

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/archive"
	"holdfast/snapshot/source/raft/state"
	"holdfast/snapshot/source/vaultapi"
)

// fill writes n secrets into a new KV version 2 mount, whose path it returns.
func fill(t *testing.T, server *fixtures.VaultServer, n int) string {
	t.Helper()
	mount := server.MountKV(t, 2)
	for i := range n {
		server.OK(t, "POST", fmt.Sprintf("%s/data/app-%d", mount, i), map[string]any{"data": map[string]int{"value": i}})
	}
	return mount
}

func TestDumpHasAllThatTheServerSent(t *testing.T) {
	server := fixtures.VaultWith(t, fixtures.VaultOptions{Shares: 5, Threshold: 3})
	mount := fill(t, server, 20)
	r := dump(t, source(t, server))
	if len(r.warnings) != 0 {
		t.Errorf("warnings %q", r.warnings)
	}
	f := r.facts(t)
	var meta struct {
		Index, Term uint64
		Size        int64
	}
	must(t, json.Unmarshal(r.streams[MetaName].body.Bytes(), &meta))
	body := r.streams[StateName].body.Len()
	if meta.Size != int64(body) || r.streams[StateName].Size != meta.Size || meta.Index == 0 || f.Index != meta.Index || f.Term != meta.Term {
		t.Errorf("meta %+v, facts %+v, %d bytes", meta, f, body)
	}
	if r.streams[StateName].rows != f.Census.Entries || r.streams[MetaName].rows != 0 {
		t.Errorf("%d rows of %d entries", r.streams[StateName].rows, f.Census.Entries)
	}
	st, err := source(t, server).Server.Status(t.Context(), server.Address)
	must(t, err)
	want := snapshot.Server{Product: "Vault", Version: st.Version, Facts: map[string]string{
		"cluster_id": st.ClusterID, "seal": "shamir", "shares": "5", "threshold": "3",
	}}
	if diff := cmp.Diff(want, r.abouts[0].Server); diff != "" || st.ClusterID == "" {
		t.Error(diff)
	}
	at := slices.IndexFunc(f.Mounts, func(m Mount) bool { return m.Path == mount+"/" })
	if at < 0 || f.Mounts[at].Type != "kv" || f.Mounts[at].Options["version"] != "2" {
		t.Fatalf("mounts %+v", f.Mounts)
	}
	for _, kind := range []string{state.KindKVMetadata, state.KindKVVersion} {
		if n := entries(f.Census, kind, f.Mounts[at].UUID); n != 20 {
			t.Errorf("%d entries of kind %q", n, kind)
		}
	}
	if !slices.ContainsFunc(f.Mounts, func(m Mount) bool { return m.Auth && m.Type == "token" }) {
		t.Errorf("no auth method among %+v", f.Mounts)
	}
}

func entries(c state.Census, kind, uuid string) int64 {
	for _, g := range c.Groups {
		if g.Kind == kind && g.UUID == uuid {
			return g.Entries
		}
	}
	return 0
}

func TestServerUnsealedByAnotherSaysThatItsSharesAreForRecovery(t *testing.T) {
	server := fixtures.VaultTransit(t)
	r := dump(t, source(t, server))
	f := r.facts(t)
	if f.SealType != "transit" || !f.RecoverySeal || f.Shares != len(server.RecoveryKeys) || r.abouts[0].Server.Facts["seal"] != "transit" {
		t.Errorf("facts %+v, about %+v", f, r.abouts[0])
	}
}

func TestSha256sumAgreesWithTheDump(t *testing.T) {
	r := dump(t, source(t, shared.Get(t)))
	dir := t.TempDir()
	for name, s := range r.streams {
		must(t, os.WriteFile(filepath.Join(dir, name), s.body.Bytes(), 0o600))
	}
	cmd := exec.CommandContext(t.Context(), "sha256sum", "-c", "--strict", SumsName)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDumpWithoutLeaveToReadMountsWarns(t *testing.T) {
	server := shared.Get(t)
	s := source(t, server)
	s.Server.Auth.Token = fixed(server.Token(t, `path "sys/storage/raft/snapshot" { capabilities = ["read"] }`))
	r := dump(t, s)
	if f := r.facts(t); len(f.Mounts) != 0 || len(r.warnings) != 2 || !strings.Contains(r.warnings[0], "sys/mounts") {
		t.Errorf("mounts %v, warnings %q", f.Mounts, r.warnings)
	}
}

func TestDumpByAppRoleLeavesNoToken(t *testing.T) {
	server := fixtures.Vault(t)
	role, id := server.AppRole(t, Policy)
	s := source(t, server)
	s.Server.Auth = vaultapi.Auth{Method: vaultapi.MethodAppRole, RoleID: fixed(role), SecretID: fixed(id)}
	before := accessors(t, server)
	dump(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{written: func(string, int) { cancel() }}
	wants(t, s.Dump(ctx, r), context.Canceled)
	if after := accessors(t, server); after != before {
		t.Errorf("%d tokens before, %d after", before, after)
	}
}

func accessors(t *testing.T, server *fixtures.VaultServer) int {
	t.Helper()
	return len(server.OK(t, "LIST", "auth/token/accessors", nil)["data"].(map[string]any)["keys"].([]any))
}

func TestSealedServerExpiredTokenAndMissingRightAreErrors(t *testing.T) {
	server := fixtures.Vault(t)
	s := source(t, server)
	if _, err := s.Preflight(t.Context()); err != nil {
		t.Fatal(err)
	}
	unable := source(t, server)
	unable.Server.Auth.Token = fixed(server.Token(t, `path "sys/mounts" { capabilities = ["read"] }`))
	refused(t, unable, vaultapi.ErrDenied, "sys/storage/raft/snapshot", server.Address)
	_, err := unable.Preflight(t.Context())
	wants(t, err, vaultapi.ErrDenied)

	gone := source(t, server)
	token, err := gone.Server.Auth.Token()
	must(t, err)
	server.OK(t, "POST", "auth/token/revoke", map[string]string{"token": token})
	refused(t, gone, vaultapi.ErrExpired)

	server.Seal(t)
	refused(t, s, vaultapi.ErrSealed, server.Address)
	must(t, server.Kill())
	refused(t, s, vaultapi.ErrUnreachable, server.Address)
}

func TestTokenThatExpiresBeforeTheDownloadIsAnError(t *testing.T) {
	server := shared.Get(t)
	s := source(t, server)
	token, err := s.Server.Auth.Token()
	must(t, err)
	sess, err := s.login(t.Context())
	must(t, err)
	r := &run{Source: s, d: &recorder{}, sess: sess}
	must(t, r.ask(t.Context()))
	server.OK(t, "POST", "auth/token/revoke", map[string]string{"token": token})
	wants(t, r.download(t.Context()), vaultapi.ErrExpired)
	if r.streams != nil {
		t.Error("streams were opened")
	}
	must(t, sess.Close(t.Context()))
}

func TestStandbyAskedFirstGivesTheDumpOfTheLeader(t *testing.T) {
	c := fixtures.VaultCluster(t, 3)
	s := source(t, c.Leader(t))
	s.Server.Addresses = nil
	for _, n := range c.Standbys(t) {
		s.Server.Addresses = append(s.Server.Addresses, n.Address)
	}
	r := dump(t, s)
	if f := r.facts(t); f.Address != c.Leader(t).Address {
		t.Errorf("the dump is from %s, the leader is %s", f.Address, c.Leader(t).Address)
	}

	// The leader dies while it sends: an error, and then a whole dump of the next leader.
	s.Server.Addresses = c.Addresses()
	bulk(t, c.Leader(t))
	died := c.Leader(t)
	killed := false
	r = &recorder{}
	r.written = func(name string, total int) {
		if name == StateName && !killed {
			killed = true
			c.Kill(t, died)
		}
	}
	err := s.Dump(t.Context(), r)
	wants(t, err, vaultapi.ErrUnreachable, "run again", died.Address)
	if r.sealed() != 0 || len(r.abouts) != 0 {
		t.Error("a cut dump has sealed streams")
	}
	r = dump(t, s)
	if f := r.facts(t); f.Address == died.Address {
		t.Errorf("the dump is from the dead leader %s", f.Address)
	}
}

// bulk makes an archive far larger than all buffers between the server and a stream.
func bulk(t *testing.T, server *fixtures.VaultServer) {
	t.Helper()
	mount := server.MountKV(t, 1)
	for i := range 48 {
		noise := make([]byte, 512<<10)
		copy(noise, strconv.Itoa(i))
		server.OK(t, "POST", fmt.Sprintf("%s/bulk-%d", mount, i), map[string]any{"noise": noise})
	}
}

func TestArchiveWrittenAgainIsTakenByTheServer(t *testing.T) {
	server := fixtures.Vault(t)
	mount := fill(t, server, 3)
	r := dump(t, source(t, server))
	var list []archive.Member
	for _, name := range r.order {
		body := r.streams[name].body.Bytes()
		list = append(list, archive.Member{Name: name, Size: int64(len(body)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(body)), nil
		}})
	}
	for _, route := range []string{"snapshot", "snapshot-force"} {
		path := mount + "/data/later"
		server.OK(t, "POST", path, map[string]any{"data": map[string]string{"written": "after the dump"}})
		s := source(t, server)
		s.Server.Auth.Token = fixed(server.Token(t, `path "sys/storage/raft/`+route+`" { capabilities = ["update"] }`))
		sess, err := s.Server.Login(t.Context())
		must(t, err)
		pr, pw := io.Pipe()
		go func() { pw.CloseWithError(archive.Write(pw, list)) }()
		must(t, sess.Upload(t.Context(), "sys/storage/raft/"+route, pr))
		must(t, sess.Close(t.Context()))
		await(t, func() bool { status, _ := server.API(t, "GET", path, nil); return status == 404 })
		server.OK(t, "GET", mount+"/data/app-2", nil)
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to that")
		}
	}
}

func TestUnchangedEntriesHaveTheSameBytesInTheNextDump(t *testing.T) {
	server := fixtures.Vault(t)
	mount := fill(t, server, 200)
	first := dump(t, source(t, server))
	server.OK(t, "POST", mount+"/data/app-7", map[string]any{"data": map[string]string{"value": "new"}})
	second := dump(t, source(t, server))
	old := values(t, first)
	same := 0
	for key, value := range values(t, second) {
		if old[key] == value {
			same++
		}
	}
	if same < len(old)*9/10 {
		t.Errorf("%d of %d entries have the bytes they had", same, len(old))
	}
}

func values(t *testing.T, r *recorder) map[string]string {
	t.Helper()
	all := map[string]string{}
	reader := state.NewReader(bytes.NewReader(r.streams[StateName].body.Bytes()))
	for {
		e, err := reader.Next()
		if err == io.EOF {
			return all
		}
		must(t, err)
		all[e.Key] = string(e.Value)
	}
}
