package vaultapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures"
)

const readMounts = `path "sys/mounts" { capabilities = ["read"] }
path "auth/token/revoke-self" { capabilities = ["update"] }`

func TestTokenOfALoginIsRevokedAfterwards(t *testing.T) {
	server := shared.Get(t)
	role, id := server.AppRole(t, readMounts)
	s := &Server{
		Addresses: []string{server.Address},
		Auth:      Auth{Method: MethodAppRole, RoleID: fixed(role), SecretID: fixed(id + "\n")},
	}
	ctx, cancel := context.WithCancel(t.Context())
	sess, err := s.Login(ctx)
	must(t, err)
	_, err = sess.Read(ctx, "sys/mounts", nil)
	must(t, err)
	token := sess.token
	if status, _ := server.APIAs(t, token, "GET", "sys/mounts", nil); status != 200 {
		t.Fatalf("the token gets %d while it is in use", status)
	}
	cancel() // as when a run is interrupted
	must(t, sess.Close(ctx))
	if status, _ := server.APIAs(t, token, "GET", "sys/mounts", nil); status != 403 {
		t.Errorf("the token gets %d after the session", status)
	}
	must(t, sess.Close(ctx))
}

func TestWrongSecretIDIsDenied(t *testing.T) {
	server := shared.Get(t)
	role, _ := server.AppRole(t, readMounts)
	s := &Server{Addresses: []string{server.Address}, Auth: Auth{Method: MethodAppRole, RoleID: fixed(role), SecretID: fixed("guessed-secret-id")}}
	_, err := s.Login(t.Context())
	wants(t, err, ErrDenied, "auth/approle/login")
	if strings.Contains(err.Error(), "guessed") || strings.Contains(err.Error(), role) {
		t.Errorf("the error quotes a credential: %v", err)
	}
}

func TestWrappedSecretIDIsUnwrappedOnce(t *testing.T) {
	server := shared.Get(t)
	role, wrapped := server.WrappedAppRole(t, readMounts, time.Minute)
	one := func() *Server {
		return &Server{
			Addresses: []string{server.Address},
			Auth:      Auth{Method: MethodAppRole, RoleID: fixed(role), SecretID: fixed(wrapped), Wrapped: true},
		}
	}
	s := one()
	login(t, s)
	login(t, s) // the next run of the same process
	_, err := one().Login(t.Context())
	wants(t, err, ErrWrapping, "somebody else")
	if strings.Contains(err.Error(), wrapped) {
		t.Errorf("the error quotes the wrapping token: %v", err)
	}
}

func TestWrappingTokenOfSomethingElseIsRefusedUnopened(t *testing.T) {
	server := shared.Get(t)
	role, _ := server.AppRole(t, readMounts)
	sess := login(t, rooted(server))
	sess.client.SetWrappingLookupFunc(func(string, string) string { return "1m" })
	answer, err := sess.Write(t.Context(), "sys/wrapping/wrap", map[string]string{"secret_id": "planted"})
	must(t, err)
	planted := between(string(answer.Body), `"token":"`, `"`)
	s := &Server{
		Addresses: []string{server.Address},
		Auth:      Auth{Method: MethodAppRole, RoleID: fixed(role), SecretID: fixed(planted), Wrapped: true},
	}
	_, err = s.Login(t.Context())
	wants(t, err, ErrWrapping, "sys/wrapping/wrap")
	if status, _ := server.APIAs(t, planted, "POST", "sys/wrapping/unwrap", nil); status != 200 {
		t.Errorf("the planted token gives status %d: it was used", status)
	}
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	found, _, _ := strings.Cut(rest, to)
	return found
}

// The login of the Kubernetes method and that of the JWT method are the same request. The server of the tests
// is built without the first, so the second stands for it.
func TestServiceAccountLogsInByJWT(t *testing.T) {
	server := shared.Get(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	mount := jwtAuth(t, server, &key.PublicKey)
	file := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(file, []byte(jwt(t, key, "holdfast")+"\n"), 0o600))
	s := &Server{
		Addresses: []string{server.Address},
		Auth:      Auth{Method: MethodKubernetes, Mount: mount + "/", Role: "backup", JWTFile: file},
	}
	sess := login(t, s)
	_, err = sess.Read(t.Context(), "sys/mounts", nil)
	must(t, err)

	must(t, os.WriteFile(file, []byte(jwt(t, key, "another")), 0o600))
	_, err = s.Login(t.Context())
	wants(t, err, ErrDenied, "auth/"+mount+"/login")
}

func TestMissingServiceAccountTokenIsNamed(t *testing.T) {
	s := &Server{Addresses: []string{shared.Get(t).Address}, Auth: Auth{Method: MethodKubernetes, Role: "backup", JWTFile: "/nonexistent/token"}}
	_, err := s.Login(t.Context())
	wants(t, err, os.ErrNotExist, "/nonexistent/token")
}

func jwtAuth(t *testing.T, server *fixtures.VaultServer, key *ecdsa.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	must(t, err)
	policy := server.Policy(t, readMounts)
	mount := "jwt-" + policy
	server.OK(t, "POST", "sys/auth/"+mount, map[string]string{"type": "jwt"})
	server.OK(t, "POST", "auth/"+mount+"/config", map[string]any{
		"jwt_validation_pubkeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
	})
	server.OK(t, "POST", "auth/"+mount+"/role/backup", map[string]any{
		"role_type": "jwt", "bound_audiences": []string{"vault"}, "bound_subject": "holdfast", "user_claim": "sub",
		"token_policies": []string{policy}, "token_no_default_policy": true,
	})
	return mount
}

func jwt(t *testing.T, key *ecdsa.PrivateKey, subject string) string {
	t.Helper()
	enc := base64.RawURLEncoding
	claims := fmt.Sprintf(`{"sub":%q,"aud":"vault","iat":%d,"exp":%d}`, subject, time.Now().Unix(), time.Now().Add(time.Minute).Unix())
	signed := enc.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + enc.EncodeToString([]byte(claims))
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	must(t, err)
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return signed + "." + enc.EncodeToString(sig)
}
