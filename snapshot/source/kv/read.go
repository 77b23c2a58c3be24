package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"holdfast/snapshot/source/vaultapi"
)

// A Reader reads the secrets of one mount, each as it was at one instant. It is safe for
// concurrent use.
type Reader struct {
	Session *vaultapi.Session
	Mount   Mount
}

const (
	tries = 8                     // to read a secret that is being written
	pause = 20 * time.Millisecond // before the second try; each further one doubles it

	// skew is how far the clocks here and at the server may differ. A version deleted longer ago than
	// that is not asked for; others are, and the server tells.
	skew = time.Hour
)

// errMoved means that a version is not any more what the metadata said of it.
var errMoved = errors.New("a version is not what the metadata said")

// errNoData means that an answer says that all is well, and has nothing in it.
var errNoData = errors.New("the answer has no data")

// Secret reads one secret. If there is none the error matches vaultapi.ErrNotFound.
//
// What makes it one instant, in KV v2: the metadata is read first and says which versions there are.
// The data of a version never changes, so data that comes with the same times of
// creation and deletion is what the version held when the metadata was read. If the
// times differ, or the version is not there any more, all is read again.
func (r *Reader) Secret(ctx context.Context, path string) (*Secret, error) {
	if r.Mount.Version == 1 {
		return r.readV1(ctx, path)
	}
	wait := pause
	for try := 1; ; try++ {
		s, err := r.readV2(ctx, path)
		if !errors.Is(err, errMoved) {
			return s, err
		}
		if try == tries {
			return nil, fmt.Errorf("reading %s/%s: %w, %d times", r.Mount.Path, path, ErrChanged, tries)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}

func (r *Reader) readV1(ctx context.Context, path string) (*Secret, error) {
	data, err := r.data(ctx, r.Mount.Path+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	return &Secret{Path: path, Data: data}, nil
}

// data reads what is under "data" at path. An answer without it is none, whatever its status: it comes from
// something between, or was wrapped.
func (r *Reader) data(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	answer, err := r.Session.Read(ctx, path, query)
	if err != nil {
		return nil, err
	}
	if !isObject(answer.Data) || len(answer.Data) == len(answer.Body) {
		return nil, fmt.Errorf("reading %s: %w", path, errNoData)
	}
	return answer.Data, nil
}

func (r *Reader) readV2(ctx context.Context, path string) (*Secret, error) {
	raw, err := r.data(ctx, r.Mount.Path+"/metadata/"+path, nil)
	if err != nil {
		return nil, err
	}
	s := &Secret{Path: path, Metadata: raw}
	st, err := parseMetadata(s.Metadata)
	if err != nil {
		return nil, fmt.Errorf("reading %s/%s: %w", r.Mount.Path, path, err)
	}
	var size int
	for _, v := range st.Versions { // the oldest first: it is the next to be dropped
		if v.Destroyed || deleted(v.Deletion, time.Now().Add(-skew)) {
			continue
		}
		data, err := r.version(ctx, path, v)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		if size += len(data); size > MaxLine {
			return nil, fmt.Errorf("reading %s/%s: %w: over %d bytes with all of its versions", r.Mount.Path, path, ErrTooLong, MaxLine)
		}
		s.Versions = append(s.Versions, Version{v.Number, data})
	}
	return s, nil
}

// version reads the data of a version that the metadata describes as v. It is nil if the
// version is deleted.
func (r *Reader) version(ctx context.Context, path string, v VersionState) (json.RawMessage, error) {
	query := url.Values{"version": {strconv.FormatUint(v.Number, 10)}}
	raw, err := r.data(ctx, r.Mount.Path+"/data/"+path, query)
	if errors.Is(err, vaultapi.ErrNotFound) {
		return nil, r.ended(ctx, path, v)
	}
	if err != nil {
		return nil, err
	}
	var got struct {
		Data     json.RawMessage `json:"data"`
		Metadata struct {
			Created   string `json:"created_time"`
			Deletion  string `json:"deletion_time"`
			Destroyed bool   `json:"destroyed"`
			Version   uint64 `json:"version"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		return nil, fmt.Errorf("reading %s/%s: understanding the answer: %w", r.Mount.Path, path, err)
	}
	m := got.Metadata
	if m.Version != v.Number || m.Created != v.Created || m.Deletion != v.Deletion || m.Destroyed {
		return nil, errMoved
	}
	if !isObject(got.Data) {
		return nil, fmt.Errorf("reading %s/%s: version %d has no data and is not deleted", r.Mount.Path, path, v.Number)
	}
	return got.Data, nil
}

// ended returns nil if a version that the server does not give out is deleted as the metadata said. One that
// was to be deleted later is that only if the metadata still says so: then its time has come by the server's
// clock. Else somebody deleted it before, and the time that was read is not the one that holds.
func (r *Reader) ended(ctx context.Context, path string, v VersionState) error {
	switch {
	case v.Deletion == "":
		return errMoved
	case deleted(v.Deletion, time.Now()):
		return nil
	}
	raw, err := r.data(ctx, r.Mount.Path+"/metadata/"+path, nil)
	if errors.Is(err, vaultapi.ErrNotFound) {
		return errMoved
	}
	if err != nil {
		return err
	}
	st, err := parseMetadata(raw)
	if err != nil {
		return fmt.Errorf("reading %s/%s: %w", r.Mount.Path, path, err)
	}
	if !slices.ContainsFunc(st.Versions, func(now VersionState) bool {
		return now.Number == v.Number && now.Created == v.Created && now.Deletion == v.Deletion && !now.Destroyed
	}) {
		return errMoved
	}
	return nil
}

// deleted reports whether a time of deletion lies before t.
func deleted(deletion string, t time.Time) bool {
	at, err := time.Parse(time.RFC3339Nano, deletion)
	return err == nil && at.Before(t)
}

func isObject(raw json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}
