package snapshot

import (
	"fmt"
	"strconv"
	"strings"

	"holdfast/snapshot/pack"
)

// The keys of a repository, relative to its prefix. FORMAT.md has the same table.

// RepositoryKey is the note that makes a prefix a repository.
const RepositoryKey = "repository"

func vaultPrefix(vault string) string { return "vaults/" + vault + "/" }

// EpochsPrefix is where a vault's epochs are.
func EpochsPrefix(vault string) string { return vaultPrefix(vault) + "keys/" }

// EpochKey is one epoch of a vault.
func EpochKey(vault, epoch string) string { return EpochsPrefix(vault) + epoch }

// PacksPrefix is where a vault's packs are.
func PacksPrefix(vault string) string { return vaultPrefix(vault) + "packs/" }

// PackKey is one pack: two hex digits fan the folder out for stores that are folders.
func PackKey(vault string, sum pack.Sum) string {
	name := Digest(sum).String()
	return PacksPrefix(vault) + name[:2] + "/" + name
}

// IndexesPrefix is where a vault's indexes are.
func IndexesPrefix(vault string) string { return vaultPrefix(vault) + "indexes/" }

// IndexKey is the n-th index that run id wrote.
func IndexKey(vault string, id ID, n int) string {
	return fmt.Sprintf("%s%s-%d", IndexesPrefix(vault), id, n)
}

// SnapshotsPrefix is where a vault's snapshots are.
func SnapshotsPrefix(vault string) string { return vaultPrefix(vault) + "snapshots/" }

// ManifestKey, ContentsKey and PackListKey are the three objects of one snapshot.
func ManifestKey(vault string, id ID) string {
	return SnapshotsPrefix(vault) + string(id) + "/manifest"
}

// ContentsKey is the private table of a snapshot's streams and their chunks.
func ContentsKey(vault string, id ID) string {
	return SnapshotsPrefix(vault) + string(id) + "/contents"
}

// PackListKey is the public list of the packs that a snapshot needs.
func PackListKey(vault string, id ID) string { return SnapshotsPrefix(vault) + string(id) + "/packs" }

// ChecksPrefix is where the findings about a vault are.
func ChecksPrefix(vault string) string { return vaultPrefix(vault) + "checks/" }

// LeaseKey is a vault's lease.
func LeaseKey(vault string) string { return vaultPrefix(vault) + "lease" }

// parsePackKey reads the sum out of a key that PackKey made.
func parsePackKey(vault, key string) (pack.Sum, bool) {
	name, ok := strings.CutPrefix(key, PacksPrefix(vault))
	if !ok || len(name) != 3+64 || name[:2] != name[3:5] || name[2] != '/' {
		return pack.Sum{}, false
	}
	var d Digest
	if d.UnmarshalText([]byte(name[3:])) != nil {
		return pack.Sum{}, false
	}
	return pack.Sum(d), true
}

// parseIndexKey reads run and number out of a key that IndexKey made.
func parseIndexKey(vault, key string) (ID, int, bool) {
	name, ok := strings.CutPrefix(key, IndexesPrefix(vault))
	cut := strings.LastIndexByte(name, '-')
	if !ok || cut < 0 {
		return "", 0, false
	}
	id, err := ParseID(name[:cut])
	if err != nil {
		return "", 0, false
	}
	n, err := strconv.Atoi(name[cut+1:])
	if err != nil || n < 0 || strconv.Itoa(n) != name[cut+1:] {
		return "", 0, false
	}
	return id, n, true
}

// parseSnapshotKey splits a key below SnapshotsPrefix into the snapshot and its object.
func parseSnapshotKey(vault, key string) (ID, string, bool) {
	rest, ok := strings.CutPrefix(key, SnapshotsPrefix(vault))
	if !ok {
		return "", "", false
	}
	name, object, ok := strings.Cut(rest, "/")
	if !ok {
		return "", "", false
	}
	id, err := ParseID(name)
	return id, object, err == nil
}
