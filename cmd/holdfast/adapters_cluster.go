package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore"
	auditlogtarget "holdfast/restore/target/auditlog"
	kvtarget "holdfast/restore/target/kv"
	rafttarget "holdfast/restore/target/raft"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/auditlog"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/vaultapi"
)

// This file is the part of the adapters that is about HashiCorp Vault and OpenBao.

// Errors of theirs that exit.go has a code or a hint for.
var (
	errClusterSealed      = vaultapi.ErrSealed
	errClusterExpired     = vaultapi.ErrExpired
	errWrapped            = vaultapi.ErrWrapping
	errClusterDenied      = vaultapi.ErrDenied
	errClusterLeaderless  = vaultapi.ErrNoLeader
	errClusterUnreachable = vaultapi.ErrUnreachable
	errRaftArchive        = raft.ErrArchive
	errTooFewShares       = barrier.ErrTooFew
	errWrongShares        = barrier.ErrWrongShares
	errSealKind           = barrier.ErrSealKind
	errNoRaft             = raft.ErrStorage
	errDowngrade          = rafttarget.ErrDowngrade
	errOtherSplit         = rafttarget.ErrOtherSplit
	errReplaced           = rafttarget.ErrReplaced
	errDrillReaches       = rafttarget.ErrReaches
	errSecretHidden       = kv.ErrHidden
	errSecretChanged      = kv.ErrChanged
	errNoSuchMount        = kv.ErrMissing
	errNoSecrets          = kv.ErrEmpty
	errNoSecretChosen     = kvtarget.ErrNoMatch
	errMountMissing       = kvtarget.ErrNoMount
	errTokenRights        = kvtarget.ErrRights
	errTooMuchReplaced    = kvtarget.ErrTooMuch
	errSecretRaced        = kvtarget.ErrRaced
	errNotAudit           = auditlog.ErrNotAudit
	errLogChanged         = auditlog.ErrChanged
	errNoFileChosen       = auditlogtarget.ErrNoMatch
)

// clusterAnswer is an answer of a server that says no.
type clusterAnswer = vaultapi.Error

// shares reads the unseal shares of a cluster; nil: there are none.
type shares = func() (barrier.Shares, error)

// hashCanary is the salted hash of a secret's value, for a drill to compare with.
func hashCanary(value string) string { return rafttarget.HashCanary(value) }

// sharesOf is where the configuration says that the unseal shares of a vault's cluster are.
func sharesOf(v *config.Vault) config.Secret {
	if v == nil || v.Raft == nil {
		return config.Secret{}
	}
	return v.Raft.Drill.Shares
}

// cluster is the server that a vault is read from.
func cluster(c *config.Cluster, log *slog.Logger) *vaultapi.Server {
	a := c.Auth
	s := &vaultapi.Server{Addresses: c.All(), Namespace: c.Namespace, Log: log,
		TLS: vaultapi.TLS{CAFile: string(c.CAFile), CertFile: string(c.CertFile), KeyFile: string(c.KeyFile), ServerName: c.ServerName},
		Auth: vaultapi.Auth{Method: a.Method, Token: a.Token.Resolve, RoleID: a.RoleID.Resolve, SecretID: a.SecretID.Resolve,
			Role: a.Role, JWTFile: string(a.JWTFile), Mount: a.Mount}}
	if a.WrappedSecretID.IsSet() {
		s.Auth.SecretID, s.Auth.Wrapped = a.WrappedSecretID.Resolve, true
	}
	return s
}

// raftSource and kvSource build the sources of configured vaults.
func raftSource(v *config.Vault, log *slog.Logger) *raft.Source {
	return &raft.Source{Server: cluster(&v.Raft.Cluster, log), Timeout: v.Raft.Timeout.Std(), Log: log}
}

func kvSource(v *config.Vault, log *slog.Logger) *kv.Source {
	return &kv.Source{Server: kvServer(v, log), Mounts: v.KV.Mounts, Exclude: v.KV.Exclude, Workers: v.KV.Connections, Log: log}
}

func kvServer(v *config.Vault, log *slog.Logger) *vaultapi.Server {
	s := cluster(&v.KV.Cluster, log)
	s.Timeout, s.Rate = v.KV.Timeout.Std(), float64(v.KV.RequestsPerSecond)
	return s
}

// raftTarget and kvTarget build the targets of a restore.
func raftTarget(v *config.Vault, p place) (destination, error) {
	server, err := p.cluster(config.KindRaft, v)
	if err != nil {
		return destination{}, err
	}
	if len(p.only) > 0 {
		return destination{}, &usage{message: "--only: a Raft snapshot is restored whole",
			hint: "`holdfast cat ID kv:MOUNT/PATH --unseal FILE` reads one secret out of it"}
	}
	return destination{target: &rafttarget.Target{Server: server, Shares: p.shares, Replace: p.replace, Rehearse: p.rehearse,
		Progress: p.progress, Log: p.log}, name: server.String()}, nil
}

func kvTarget(v *config.Vault, p place) (destination, error) {
	server, err := p.cluster(config.KindKV, v)
	if err != nil {
		return destination{}, err
	}
	t := &kvtarget.Target{Server: server, Only: p.only, Mount: p.mount, Replace: p.replace, Create: p.create, Rehearse: p.rehearse,
		Progress: p.progress, Log: p.log}
	if v != nil && v.KV != nil { // what the one server is spared, another may be too
		t.Workers, server.Rate = v.KV.Connections, float64(v.KV.RequestsPerSecond)
	}
	return destination{target: t, name: server.String()}, nil
}

// cluster finds the server to restore to. The vault's own is logged in to as for snapshots, with
// a login that may restore; another one by the token in the environment, so that no server ever
// sees the credentials of another.
func (p place) cluster(kind string, v *config.Vault) (*vaultapi.Server, error) {
	if p.url == "" {
		switch {
		case v == nil:
			return nil, misuse(errors.New("say where to restore to with --to"))
		case v.Kind != kind:
			return nil, misuse(fmt.Errorf("vault %s is of kind %s now, the snapshot of kind %s: say where to restore to with --to", v.Name, v.Kind, kind))
		case kind == config.KindKV:
			return ownToken(kvServer(v, p.log)), nil
		}
		return ownToken(cluster(&v.Raft.Cluster, p.log)), nil
	}
	spec, err := config.ParseVaultURL("target", p.url)
	if err != nil || spec.Kind != config.KindRaft {
		return nil, &usage{message: fmt.Sprintf("--to: the snapshot is of kind %s, and this is not the URL of a server", kind),
			hint: "write vault+https://host:8200, and put a token into VAULT_TOKEN"}
	}
	s := &vaultapi.Server{Addresses: []string{spec.Address}, Namespace: clusterEnv("NAMESPACE"), Log: p.log, Timeout: time.Minute,
		TLS: vaultapi.TLS{CAFile: clusterEnv("CACERT"), CertFile: clusterEnv("CLIENT_CERT"), KeyFile: clusterEnv("CLIENT_KEY"), ServerName: clusterEnv("TLS_SERVER_NAME")}}
	if clusterEnv("TOKEN") == "" {
		return nil, &usage{message: "--to: there is no token for that server", hint: "put one that may restore into VAULT_TOKEN or BAO_TOKEN"}
	}
	return ownToken(s), nil
}

// ownToken has whoever restores log in by a token of their own, if there is one in the
// environment: the login that takes snapshots should not be able to restore.
func ownToken(s *vaultapi.Server) *vaultapi.Server {
	if token := clusterEnv("TOKEN"); token != "" {
		s.Auth = vaultapi.Auth{Method: "token", Token: func() (string, error) { return token, nil }}
	}
	return s
}

// clusterEnv reads a variable that the clients of both servers know.
func clusterEnv(name string) string {
	if v := os.Getenv("BAO_" + name); v != "" {
		return v
	}
	return os.Getenv("VAULT_" + name)
}

// rehearsable tells the kinds of vault that rehearsal knows.
func rehearsable(kind string) bool { return kind == config.KindRaft }

// serverProgram finds the program that a drill starts.
func serverProgram(d config.RaftDrill) (string, error) {
	if d.Program != "" {
		return string(d.Program), nil
	}
	for _, name := range []string{"vault", "bao"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &usage{message: "a drill starts a vault or bao server, and there is neither in PATH", hint: "name the program in the vault's drill.program"}
}

// programVersion asks a server's program what it is. It is not told where our own server is.
func programVersion(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "version")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running %s version: %w", program, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

// rehearsal builds what a drill of a vault runs.
func rehearsal(kind string, v *config.Vault, s shares, log *slog.Logger) (restore.Rehearsal, error) {
	if !rehearsable(kind) || v.Kind != kind {
		return nil, misuse(fmt.Errorf("this version does not drill snapshots of kind %s", kind))
	}
	d := v.Raft.Drill
	program, err := serverProgram(d)
	if err != nil {
		return nil, err
	}
	r := &rafttarget.Rehearsal{Program: program, Dir: string(d.Dir), Shares: s, Log: log}
	for _, c := range d.Canaries {
		r.Canaries = append(r.Canaries, rafttarget.Canary{Path: c.Path, Field: c.Field, Hash: c.Hash})
	}
	return r, nil
}

// unsealing is the checker of a kind that opens what only unseal shares open.
func unsealing(kind string, s shares) (restore.Checker, error) {
	if kind != config.KindRaft {
		return nil, misuse(fmt.Errorf("--unseal is for vaults of kind %s", config.KindRaft))
	}
	return rafttarget.Checker{Shares: s}, nil
}
