package raft

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"holdfast/restore/target/raft/barrier"
)

// An asker sends one request to one server. Answers of a sealed server come without a token.
type asker interface {
	// ask decodes the whole body of the answer into answer, unless that is nil.
	ask(ctx context.Context, method, path string, body, answer any) error
}

// sealStatus is what a server says of its seal.
type sealStatus struct {
	Initialized bool   `json:"initialized"`
	Sealed      bool   `json:"sealed"`
	Threshold   int    `json:"t"`
	Version     string `json:"version"`
	ClusterID   string `json:"cluster_id"`
}

// errStillSealed means that a server took every share and did not open.
var errStillSealed = errors.New("the server is still sealed after every share")

// unseal gives shares to a server until it opens.
func unseal(ctx context.Context, server asker, shares barrier.Shares) error {
	var status sealStatus
	// What others gave before would be mixed with what comes now.
	if err := server.ask(ctx, http.MethodPut, "sys/unseal", map[string]any{"reset": true}, &status); err != nil {
		return fmt.Errorf("unsealing: %w", err)
	}
	if !status.Sealed {
		return nil // the same node by another address, say
	}
	for _, share := range shares {
		if err := server.ask(ctx, http.MethodPut, "sys/unseal", map[string]any{"key": hex.EncodeToString(share)}, &status); err != nil {
			return fmt.Errorf("unsealing: %w", err)
		}
		if !status.Sealed {
			return nil
		}
	}
	return fmt.Errorf("unsealing: %w", errStillSealed)
}

// rootProgress is how far the making of a root token has come.
type rootProgress struct {
	Nonce        string `json:"nonce"`
	OTP          string `json:"otp"`
	Complete     bool   `json:"complete"`
	EncodedToken string `json:"encoded_token"`
}

const rootAttempt = "sys/generate-root/attempt"

// generateRoot makes a root token by means of the shares, as operators do who have no other. The
// caller revokes it.
func generateRoot(ctx context.Context, server asker, shares barrier.Shares) (token string, err error) {
	var begun rootProgress
	if err := server.ask(ctx, http.MethodPut, rootAttempt, map[string]any{}, &begun); err != nil {
		return "", fmt.Errorf("beginning to generate a root token: %w", err)
	}
	defer func() {
		if err != nil { // an attempt that stays keeps operators from theirs
			err = errors.Join(err, cancelRoot(ctx, server))
		}
	}()
	for _, share := range shares {
		var now rootProgress
		body := map[string]any{"key": hex.EncodeToString(share), "nonce": begun.Nonce}
		if err := server.ask(ctx, http.MethodPut, "sys/generate-root/update", body, &now); err != nil {
			return "", fmt.Errorf("generating a root token: %w", err)
		}
		if now.Complete {
			return decodeRoot(now.EncodedToken, begun.OTP)
		}
	}
	return "", errors.New("generating a root token: the server wants more shares")
}

func cancelRoot(ctx context.Context, server asker) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	return server.ask(ctx, http.MethodDelete, rootAttempt, nil, nil)
}

// decodeRoot takes the one-time password off an encoded token. Servers encode without padding, old
// ones with.
func decodeRoot(encoded, otp string) (string, error) {
	token, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		token, err = base64.StdEncoding.DecodeString(encoded)
	}
	if err != nil || len(token) != len(otp) {
		return "", errors.New("decoding the root token: the server encoded it in a way that is not known here")
	}
	subtle.XORBytes(token, token, []byte(otp))
	return string(token), nil
}

// decodeKeys reads unseal keys as a server gives them.
func decodeKeys(keys []string) (barrier.Shares, error) {
	var shares barrier.Shares
	for _, key := range keys {
		share, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			return nil, errors.New("reading a server's unseal keys: they are not base64") // err could quote one
		}
		shares = append(shares, share)
	}
	return shares, nil
}
