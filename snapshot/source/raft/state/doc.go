// Package state reads state.bin, the member of a Vault or OpenBao raft snapshot that has all the
// server's storage. It needs no key: Reader gives the entries, Counter counts them by kind and by mount.
//
//	Reader.Next → length, message, parse → Entry → Counter.Add → Classify → Census → Compare
//
// # The format
//
// There is no header and no trailer. For each entry, in rising order of the keys, there is an unsigned
// varint, which is a length, and a protobuf message of that length: field 1 is the key (string),
// 2 the value (bytes), 3 seal_wrap (bool). Nothing tells how many entries there are, so a file that was cut
// between two of them looks whole: the digests of the archive and of the snapshot tell that it is not.
//
// # What is visible without the unseal keys
//
// Keys are stored in the clear, values are encrypted by the server's barrier. So whoever has a
// state.bin, and no key, can read:
//
//   - the names of policies (sys/policy/NAME) and of password policies;
//   - paths of leases (sys/expire/id/PATH/ID), and with them the paths of mounts that gave leases or tokens, and
//     names of roles that are part of a path;
//   - what engines and auth methods use as storage keys: all secret paths of KV v1, names of
//     transit keys, of database and PKI roles, of AppRole roles and of users of userpass;
//   - the UUID of every mount and how many entries of what length it has, so of KV v2 how many secrets and
//     versions there are, and how deep the paths go;
//   - how many tokens there are and leases, hashed, not the tokens;
//   - the cluster's name, the kind of the seal, and with Shamir how many shares there are and how many are needed;
//   - ids of the server's namespaces, where it has them.
//
// Not visible: every value; the paths and kinds of mounts (they are in core/mounts, core/auth and core/audit); the
// text of policies; of KV v2 the names of secrets and folders, which are encrypted segment by segment, equal
// names in one folder coming out equal; custom metadata and times of KV v2; entities and
// groups, which are stored in buckets by hash.
//
// A Census has UUIDs and numbers, and no key. It is at most 700 KB of JSON (Census.FoldedFrom).
//
// # What it guarantees
//
//   - Next returns io.EOF only where an entry ends. All else matches ErrMalformed or is the reader's own error.
//   - Memory is bounded by MaxEntry, whatever the bytes say, and grows only as bytes come in.
//   - Unknown fields are passed over, unknown keys are counted as "other". Neither is an error, since later
//     servers and forks have more of both.
package state
