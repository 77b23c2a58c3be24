package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"holdfast/snapshot"
	"holdfast/snapshot/source/vaultapi"
)

// documents writes what people need beside the secrets to build a vault again. None of it may
// be missing: who has no right to it excludes it by name.
func (r *run) documents(ctx context.Context, d snapshot.Dump, mounts json.RawMessage) error {
	if err := r.document(ctx, d, MountsDocument, mounts); err != nil {
		return err
	}
	if !matchAny(r.exclude, AuthDocument) {
		raw, err := (&Reader{Session: r.session}).data(ctx, "sys/auth", nil)
		if err != nil {
			return fmt.Errorf("listing the auth methods for %s: %w", AuthDocument, err)
		}
		if err := r.document(ctx, d, AuthDocument, raw); err != nil {
			return err
		}
	}
	if coversAny(r.exclude, "documents/policies") {
		return nil
	}
	return r.policies(ctx, d)
}

// document writes one document of JSON, laid out for reading.
func (r *run) document(ctx context.Context, d snapshot.Dump, name string, raw json.RawMessage) error {
	if matchAny(r.exclude, name) {
		return nil
	}
	var text bytes.Buffer
	if err := json.Indent(&text, raw, "", "  "); err != nil {
		return fmt.Errorf("understanding what the server says for %s: %w", name, err)
	}
	text.WriteByte('\n')
	return writeDocument(ctx, d, name, "json", text.Bytes())
}

func (r *run) policies(ctx context.Context, d snapshot.Dump) error {
	names, err := r.session.List(ctx, "sys/policies/acl")
	if err != nil {
		return fmt.Errorf("listing the policies: %w", err)
	}
	if len(names) == 0 { // two are built in
		return fmt.Errorf("listing the policies: %w", errNoData)
	}
	slices.Sort(names)
	for _, name := range names {
		stream := policyFolder + url.PathEscape(name)
		if name == "root" { // it has no text
			continue
		}
		if matchAny(r.exclude, stream) || matchAny(r.exclude, stream+".hcl") || matchAny(r.exclude, stream+".json") {
			continue
		}
		if err := r.policy(ctx, d, name, stream); err != nil {
			return fmt.Errorf("reading policy %q: %w", name, err)
		}
	}
	return nil
}

func (r *run) policy(ctx context.Context, d snapshot.Dump, name, stream string) error {
	answer, err := r.session.Read(ctx, "sys/policies/acl/"+name, nil)
	if errors.Is(err, vaultapi.ErrNotFound) {
		return nil // deleted since it was listed
	}
	if err != nil {
		return err
	}
	var p struct {
		Policy string `json:"policy"`
	}
	if err := json.Unmarshal(answer.Data, &p); err != nil {
		return err
	}
	format := "hcl"
	if json.Valid([]byte(p.Policy)) {
		format = "json"
	}
	return writeDocument(ctx, d, stream+"."+format, format, []byte(p.Policy))
}

func writeDocument(ctx context.Context, d snapshot.Dump, name, format string, text []byte) error {
	w, err := d.Stream(ctx, snapshot.Stream{Name: name, Format: format, Size: int64(len(text))})
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Seal(0, nil) // only secrets count
}
