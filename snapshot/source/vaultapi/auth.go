package vaultapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"unicode"
)

// A Secret returns a secret when it is needed, from a file for example.
type Secret = func() (string, error)

// The methods of Auth.
const (
	MethodToken      = "token"
	MethodAppRole    = "approle"
	MethodKubernetes = "kubernetes"
)

// Auth says how to log in.
type Auth struct {
	Method string // MethodToken, MethodAppRole or MethodKubernetes
	Mount  string // of the auth method; empty: named as the method

	Token Secret // MethodToken

	RoleID   Secret // MethodAppRole
	SecretID Secret // nil if the role asks for none
	Wrapped  bool   // SecretID returns a response-wrapping token that holds the secret id

	Role    string // MethodKubernetes, or a JWT auth method under Mount
	JWTFile string // empty: where Kubernetes puts the token of the service account
}

const defaultJWTFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// login gets a token, or takes the one that is configured.
func (s *Session) login(ctx context.Context) error {
	auth := s.server.Auth
	switch auth.Method {
	case MethodToken:
		return s.useToken(ctx, auth.Token)
	case MethodAppRole:
		return s.appRole(ctx, auth)
	case MethodKubernetes:
		return s.kubernetes(ctx, auth)
	}
	return fmt.Errorf("unknown login method %q", auth.Method)
}

// useToken takes a token that was made elsewhere and renews it. That its policies do not allow the renewal,
// or that it cannot be renewed, is for the requests that follow to show.
func (s *Session) useToken(ctx context.Context, token Secret) error {
	text, err := secret("the token", token)
	if err != nil {
		return err
	}
	if err := s.to(s.Address(), text); err != nil {
		return err
	}
	r := request{method: http.MethodPut, op: "renewing the token at", path: "auth/token/renew-self", body: struct{}{}, again: true}
	_, err = s.retry(ctx, r)
	var e *Error
	switch {
	case errors.Is(err, ErrExpired):
		return fmt.Errorf("%w: %w", ErrExpired, err)
	case errors.As(err, &e) && (e.Status == http.StatusForbidden || e.Status == http.StatusBadRequest):
		s.server.log().Debug("the token was not renewed", "err", err)
		return nil
	}
	return err
}

func (s *Session) appRole(ctx context.Context, auth Auth) error {
	role, err := secret("the role id", auth.RoleID)
	if err != nil {
		return err
	}
	body := map[string]string{"role_id": role}
	if auth.SecretID != nil {
		id, err := secret("the secret id", auth.SecretID)
		if err != nil {
			return err
		}
		if auth.Wrapped {
			if id, err = s.unwrap(ctx, auth, id); err != nil {
				return err
			}
		}
		body["secret_id"] = id
	}
	return s.logIn(ctx, auth, body)
}

func (s *Session) kubernetes(ctx context.Context, auth Auth) error {
	file := auth.JWTFile
	if file == "" {
		file = defaultJWTFile
	}
	jwt, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the service account's token: %w", err)
	}
	return s.logIn(ctx, auth, map[string]string{"role": auth.Role, "jwt": string(bytes.TrimSpace(jwt))})
}

// logIn sends credentials to the auth method's mount. It is never sent twice: a secret id may be good for one use.
func (s *Session) logIn(ctx context.Context, auth Auth, body any) error {
	r := request{method: http.MethodPost, op: "logging in at", path: "auth/" + auth.mount() + "/login", body: body}
	answer, err := s.retry(ctx, r)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest {
		return fmt.Errorf("%w: %w", ErrDenied, err) // how AppRole says that it does not know an id
	}
	if err != nil {
		return err
	}
	var a struct {
		Auth struct {
			ClientToken string `json:"client_token"`
		} `json:"auth"`
	}
	if err := json.Unmarshal(answer.Body, &a); err != nil {
		return fmt.Errorf("%s %s: the answer is not a login", r.op, r.path) // err may quote it
	}
	if a.Auth.ClientToken == "" {
		return fmt.Errorf("%s %s: the answer has no token; is a second factor asked for?", r.op, r.path)
	}
	if err := s.to(s.Address(), a.Auth.ClientToken); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = true
	return nil
}

func (a Auth) mount() string {
	if mount := strings.Trim(a.Mount, "/"); mount != "" {
		return mount
	}
	return a.Method
}

// secret reads a secret, which is never part of an error.
func secret(what string, read Secret) (string, error) {
	if read == nil {
		return "", fmt.Errorf("%s is not configured", what)
	}
	text, err := read()
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", what, err)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return "", fmt.Errorf("reading %s: it is empty", what)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", fmt.Errorf("reading %s: it holds characters that cannot be sent", what)
	}
	return text, nil
}

// unwrapped keeps the secret id that came out of a wrapping token, which gives it only once: the next run of
// this process logs in with it again.
type unwrapped struct {
	mu       sync.Mutex
	token    string
	secretID string
}

// unwrap gets the secret id out of a wrapping token, after it made sure that it was AppRole that wrapped it: a token
// that somebody put in its place was wrapped by another path.
func (s *Session) unwrap(ctx context.Context, auth Auth, token string) (string, error) {
	kept := &s.server.unwrapped
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.token == token {
		return kept.secretID, nil
	}
	if err := s.checkWrapping(ctx, auth, token); err != nil {
		return "", err
	}
	r := request{method: http.MethodPost, op: "unwrapping the secret id at", path: "sys/wrapping/unwrap", token: token}
	answer, err := s.retry(ctx, r)
	if err != nil {
		return "", wrapping(err)
	}
	var a struct {
		SecretID string `json:"secret_id"`
	}
	if err := json.Unmarshal(answer.Data, &a); err != nil || a.SecretID == "" {
		return "", fmt.Errorf("%s %s: %w: it holds no secret id", r.op, r.path, ErrWrapping)
	}
	kept.token, kept.secretID = token, a.SecretID
	return a.SecretID, nil
}

func (s *Session) checkWrapping(ctx context.Context, auth Auth, token string) error {
	r := request{
		method: http.MethodPost, op: "looking up the wrapping token at", path: "sys/wrapping/lookup",
		body: map[string]string{"token": token}, again: true,
	}
	answer, err := s.retry(ctx, r)
	if err != nil {
		return wrapping(err)
	}
	var a struct {
		CreationPath string `json:"creation_path"`
	}
	if err := json.Unmarshal(answer.Data, &a); err != nil {
		return fmt.Errorf("%s %s: %w", r.op, r.path, err)
	}
	if !auth.wraps(a.CreationPath) {
		return fmt.Errorf("%s %s: %w: it was made by %q and not by an AppRole role under %q", r.op, r.path, ErrWrapping, a.CreationPath, "auth/"+auth.mount())
	}
	return nil
}

// wraps reports whether path is one that hands out secret ids.
func (a Auth) wraps(path string) bool {
	role, ok := strings.CutPrefix(path, "auth/"+a.mount()+"/role/")
	if !ok {
		return false
	}
	_, what, ok := strings.Cut(role, "/")
	return ok && (what == "secret-id" || what == "custom-secret-id")
}

// wrapping says what it means that a wrapping token gives nothing.
func wrapping(err error) error {
	var e *Error
	if errors.As(err, &e) && (e.Status == http.StatusBadRequest || e.Status == http.StatusForbidden) {
		return fmt.Errorf("%w: unless this host used it, somebody else may have the secret id, which should then be destroyed: %w", ErrWrapping, err)
	}
	return err
}
