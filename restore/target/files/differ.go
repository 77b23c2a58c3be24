package files

import (
	"context"
	"errors"
	"fmt"

	"holdfast/restore"
	"holdfast/snapshot/source/files"
)

// Diff is the restore.Differ of trees. It reads both indexes and no file.
func Diff(ctx context.Context, a, b restore.Dump) ([]restore.Change, error) {
	x, err := a.Open(ctx, files.IndexStream)
	if err != nil {
		return nil, err
	}
	y, err := b.Open(ctx, files.IndexStream)
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	var list []restore.Change
	err = files.Compare(files.NewIndexReader(x), files.NewIndexReader(y), func(before, after *files.Entry) {
		list = append(list, change(before, after))
	})
	return list, closeBoth(x, y, err)
}

func change(before, after *files.Entry) restore.Change {
	switch {
	case before == nil:
		return restore.Change{Name: after.Path, Change: "added", Detail: fmt.Sprintf("%s, %d bytes", after.Kind, after.Size)}
	case after == nil:
		return restore.Change{Name: before.Path, Change: "removed", Detail: fmt.Sprintf("%s, %d bytes", before.Kind, before.Size)}
	case before.SHA256 == after.SHA256 && before.Kind == after.Kind:
		return restore.Change{Name: after.Path, Change: "changed", Detail: "attributes"}
	}
	return restore.Change{Name: after.Path, Change: "changed", Detail: fmt.Sprintf("%s, %d bytes (%+d)", after.Kind, after.Size, after.Size-before.Size)}
}
