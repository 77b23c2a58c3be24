package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Status is what a node says of itself without a token. A sealed node says less than others.
type Status struct {
	Address string // that was asked

	Initialized, Sealed bool
	Standby             bool // unsealed and not active
	Active              bool // by its own account, a moment ago

	Product      string // "Vault" or "OpenBao"
	Version      string
	ClusterID    string // empty while it is sealed
	ClusterName  string
	SealType     string // "shamir", "transit", "awskms", ...
	StorageType  string // "raft", ...
	Shares       int    // of the unseal key, or of the recovery key if RecoverySeal
	Threshold    int
	Progress     int  // shares given so far to a node that is being unsealed
	RecoverySeal bool // another service unseals the server; its shares open nothing by themselves

	LeaderAddress string // as the node knows it; may be old or empty
	AppliedIndex  uint64 // of Raft, 0 if unknown
}

// state is the node's state in a word.
func (st Status) state() string {
	switch {
	case !st.Initialized:
		return "not initialised"
	case st.Sealed:
		return "sealed"
	case st.Active:
		return "active"
	}
	return "a standby"
}

// status asks what a node tells to everybody, of seal, health and leader.
func (l *link) status(ctx context.Context, address string) (Status, error) {
	node, err := parseAddress(address)
	if err != nil {
		return Status{}, err
	}
	st := Status{Address: node.String()}
	for _, ask := range []func(context.Context, *url.URL, *Status) error{l.seal, l.health, l.leader} {
		if err := ask(ctx, node, &st); err != nil {
			return st, fmt.Errorf("asking %s for its status: %w", node, err)
		}
	}
	return st, nil
}

func (l *link) seal(ctx context.Context, node *url.URL, st *Status) error {
	var a struct {
		Type         string `json:"type"`
		Initialized  bool   `json:"initialized"`
		Sealed       bool   `json:"sealed"`
		N            int    `json:"n"`
		T            int    `json:"t"`
		Progress     int    `json:"progress"`
		Version      string `json:"version"`
		ClusterID    string `json:"cluster_id"`
		ClusterName  string `json:"cluster_name"`
		RecoverySeal bool   `json:"recovery_seal"`
		StorageType  string `json:"storage_type"`
	}
	if err := l.ask(ctx, node, "sys/seal-status", &a); err != nil {
		return err
	}
	st.Initialized, st.Sealed = a.Initialized, a.Sealed
	st.SealType, st.StorageType, st.RecoverySeal = a.Type, a.StorageType, a.RecoverySeal
	st.Shares, st.Threshold, st.Progress = a.N, a.T, a.Progress
	st.Version, st.ClusterID, st.ClusterName = a.Version, a.ClusterID, a.ClusterName
	return nil
}

func (l *link) health(ctx context.Context, node *url.URL, st *Status) error {
	var a struct {
		Standby            bool   `json:"standby"`
		PerformanceStandby bool   `json:"performance_standby"`
		Version            string `json:"version"`
		Enterprise         *bool  `json:"enterprise"`
	}
	if err := l.ask(ctx, node, "sys/health", &a); err != nil {
		return err
	}
	st.Standby = (a.Standby || a.PerformanceStandby) && !st.Sealed
	if st.Version == "" {
		st.Version = a.Version // before 1.2 the seal status has none
	}
	st.Product = product(st.Version, a.Enterprise != nil)
	return nil
}

// product tells the two servers apart, which neither says itself: Vault says whether it is the enterprise
// edition since 1.17, and OpenBao, which never does, began with version 2.
func product(version string, enterprise bool) string {
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n >= 2 && !enterprise {
		return "OpenBao"
	}
	return "Vault"
}

func (l *link) leader(ctx context.Context, node *url.URL, st *Status) error {
	if st.Sealed || !st.Initialized {
		return nil // it knows of none
	}
	var a struct {
		HAEnabled     bool   `json:"ha_enabled"`
		IsSelf        bool   `json:"is_self"`
		LeaderAddress string `json:"leader_address"`
		AppliedIndex  uint64 `json:"raft_applied_index"`
	}
	if err := l.ask(ctx, node, "sys/leader", &a); err != nil {
		return err
	}
	st.LeaderAddress, st.AppliedIndex = a.LeaderAddress, a.AppliedIndex
	st.Active = a.IsSelf || !a.HAEnabled && !st.Standby
	return nil
}

// ask reads a document that needs no token. The status of an answer about health is that of the node, not of
// the request.
func (l *link) ask(ctx context.Context, node *url.URL, path string, into any) error {
	c, err := l.client(node, "", "")
	if err != nil {
		return err
	}
	r := request{method: http.MethodGet, op: "reading", path: path, anyStatus: path == "sys/health"}
	answer, err := l.send(ctx, c, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return fmt.Errorf("reading %s: the answer is not what Vault or OpenBao sends: %w", path, err)
	}
	return nil
}
