package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/vaultapi"
)

// serverKeeps is how many versions a server keeps if neither mount nor secret say.
const serverKeeps = 10

// empty stands for data that the snapshot does not have. It is deleted or destroyed once written.
var empty = json.RawMessage(`{}`)

// A replay writes one KV v2 secret that is not there, version by version.
type replay struct {
	session *vaultapi.Session
	way     *route
	path    string
	state   *kv.State
	own     func() // called once it is certain that the secret at the server is ours

	keeps   uint32        // max_versions of the secret as it is now
	expires time.Duration // delete_version_after of the secret as it is now
	set     bool          // some setting was written
}

// run writes the versions, takes away those that are deleted and destroyed, and last sets what the secret is
// to have for good, since settings act upon writes.
func (p *replay) run(ctx context.Context) error {
	if p.state.Current == 0 {
		p.own()
	}
	data := map[uint64]*kv.VersionState{}
	for i := range p.state.Versions {
		data[p.state.Versions[i].Number] = &p.state.Versions[i]
	}
	var deleted, destroyed []uint64
	for n := uint64(1); n <= p.state.Current; n++ {
		v := data[n]
		if err := p.write(ctx, n, v); err != nil {
			return err
		}
		if v != nil && (past(v.Deletion) || !v.Live() && !v.Destroyed) { // by the clock there; a version can be both
			deleted = append(deleted, n)
		}
		if (v == nil || v.Destroyed) && n+p.remaining() > p.state.Current { // else the server has pruned it
			destroyed = append(destroyed, n)
		}
	}
	if err := p.take(ctx, "delete", deleted); err != nil {
		return err
	}
	if err := p.take(ctx, "destroy", destroyed); err != nil {
		return err
	}
	return p.settle(ctx)
}

// past reports whether a time of deletion has come.
func past(deletion string) bool {
	at, err := time.Parse(time.RFC3339Nano, deletion)
	return err == nil && !at.After(time.Now())
}

// write writes version n. Check-and-set makes it number n or nothing, also if it is sent twice.
func (p *replay) write(ctx context.Context, n uint64, v *kv.VersionState) error {
	if err := p.prepare(ctx, n, v); err != nil {
		return err
	}
	data := empty
	if v != nil && v.Live() {
		data = v.Data
	}
	body := map[string]any{"data": data, "options": map[string]uint64{"cas": n - 1}}
	_, err := p.session.Put(ctx, p.way.to.Path+"/data/"+p.path, body)
	if rejected(err) {
		err = p.written(ctx, n, data, err)
	}
	if err == nil && n == 1 {
		p.own()
	}
	return err
}

// rejected reports whether a write was refused for what it says, as by check-and-set.
func rejected(err error) bool {
	var refused *vaultapi.Error
	return errors.As(err, &refused) && refused.Status == http.StatusBadRequest
}

// written looks whether version n is there although its write was refused: if the answer was lost, the
// write was sent again, and refused since it had been done.
func (p *replay) written(ctx context.Context, n uint64, data json.RawMessage, cause error) error {
	s, err := (&kv.Reader{Session: p.session, Mount: p.way.to}).Secret(ctx, p.path)
	if errors.Is(err, vaultapi.ErrNotFound) {
		return cause
	}
	if err != nil {
		return errors.Join(cause, err)
	}
	st, err := s.State()
	if err != nil {
		return errors.Join(cause, err)
	}
	if last := len(st.Versions) - 1; st.Current == n && last >= 0 && equalJSON(st.Versions[last].Data, data) {
		return nil
	}
	if st.Current != n-1 {
		return fmt.Errorf("%w: version %d is there, and %d was to be written", ErrRaced, st.Current, n)
	}
	return cause
}

// prepare sets how many versions are kept and when the next one expires, if it matters.
func (p *replay) prepare(ctx context.Context, n uint64, v *kv.VersionState) error {
	keeps, expires := p.keeps, time.Duration(0)
	if wanted := p.wanted(); n > 1 || wanted == 1 { // the first write proves that the secret is ours
		keeps = wanted
	}
	if v != nil && v.Live() {
		if left := time.Until(v.Expires()); !v.Expires().IsZero() && left > 0 {
			expires = max(left.Round(time.Second), time.Second)
		}
	}
	if keeps == p.keeps && expires == p.expires {
		return nil
	}
	return p.settings(ctx, map[string]any{"max_versions": keeps, "delete_version_after": seconds(expires)}, func() {
		p.keeps, p.expires = keeps, expires
	})
}

// wanted is how many versions the server must keep while they are written, so that in the end it has pruned
// those that the snapshot has not, and no others.
func (p *replay) wanted() uint32 {
	if p.state.Oldest > 0 {
		return uint32(p.state.Current - p.state.Oldest + 1)
	}
	if p.state.Current < uint64(p.remaining()) {
		return p.keeps
	}
	return uint32(p.state.Current + 1)
}

// remaining is how many versions the server keeps now: the mount's setting, if it is larger, wins.
func (p *replay) remaining() uint64 {
	if n := max(p.keeps, p.way.engine.MaxVersions); n > 0 {
		return uint64(n)
	}
	return serverKeeps
}

// take deletes or destroys versions.
func (p *replay) take(ctx context.Context, verb string, versions []uint64) error {
	const most = 1000 // in one request
	for len(versions) > 0 {
		n := min(len(versions), most)
		if _, err := p.session.Put(ctx, p.way.to.Path+"/"+verb+"/"+p.path, map[string]any{"versions": versions[:n]}); err != nil {
			return err
		}
		versions = versions[n:]
	}
	return nil
}

// settle gives the secret the settings and the custom metadata that it is to keep.
func (p *replay) settle(ctx context.Context) error {
	st := p.state
	plain := st.MaxVersions == 0 && !st.CASRequired && st.DeleteAfter == 0 && len(st.Custom) == 0
	if plain && !p.set && st.Current > 0 {
		return nil
	}
	body := map[string]any{"max_versions": st.MaxVersions, "cas_required": st.CASRequired, "delete_version_after": seconds(st.DeleteAfter)}
	if len(st.Custom) > 0 {
		body["custom_metadata"] = st.Custom
	}
	return p.settings(ctx, body, func() {})
}

func (p *replay) settings(ctx context.Context, body map[string]any, done func()) error {
	if _, err := p.session.Put(ctx, p.way.to.Path+"/metadata/"+p.path, body); err != nil {
		return err
	}
	p.set = true
	done()
	return nil
}
