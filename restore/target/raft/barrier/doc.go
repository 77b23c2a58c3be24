// Package barrier opens a state.bin with unseal shares, offline: what a server would do at its start, without a
// server. It proves that the shares open the snapshot and that every entry is what the server wrote, and it
// reads mounts, policies and KV secrets.
//
//	ParseShares → ReadSeal → Seal.Unseal → Keyring.Prove → Proof
//	                                     → Keyring.KV → List, Get
//
// # From shares to secrets
//
//  1. The shares combine into the key of the seal (package shamir); with one share, it is that key.
//  2. That key opens core/hsm/barrier-unseal-keys, AES-256-GCM in a protobuf message, which has the root key. Where
//     core/seal-config has stored_shares 0, as old servers wrote it, the combined key is the root key.
//  3. The root key opens core/keyring, which has a key for each term; a rotation begins a term.
//  4. A value is its term (4 bytes), a version (1 byte: 2 binds the key path, 1 does not), a nonce (12 bytes) and what
//     AES-256-GCM made. So an entry opens at its own key alone, and a swapped one is noticed.
//
// # What it cannot open
//
// Snapshots of servers that unseal themselves (awskms, gcpckms, azurekeyvault, transit, pkcs11 and so on): the
// root key is encrypted by that service, and the recovery shares that such servers give out
// decrypt nothing. Unseal says so (ErrSealKind). Their proof is a drill with that service at hand. Vault
// Enterprise with seal wrapping encrypts values a second time by such a seal, so it is among them.
//
// # KV
//
// KV v2 keeps below logical/MOUNT/FOLDER/, both UUIDs, metadata/… (one entry a secret, a protobuf message; the path in
// the key is encrypted, and in clear inside the message) and versions/… (one entry a version, at the SHA-256 of
// salt, path and number). KV v1 keeps JSON at the secret's path. A version that was deleted has its data until it is
// destroyed, so Get returns it, with the time of its deletion.
//
// Community servers of Vault have no namespaces. What is below namespaces/ID/ is read as that of a
// namespace, which is how OpenBao is known to store it; neither it nor Vault Enterprise was at hand to try, and namespaces
// with seals of their own do not open with the shares of the root.
//
// # What it guarantees
//
//   - Nothing is returned of an entry that is not authentic. Such an entry is damage (snapshot.ErrDamaged),
//     unless the server keeps it in the clear (Proof.Plain).
//   - Prove, List and Get read the stream to its end, so what they return is of a snapshot whose digest is right.
//   - Memory is bounded: by the number of cores and the answer in Prove, by the answer in List and Get.
//   - Shares, keyrings, secrets and versions print as what they are and never as what they hold, and
//     no error holds a key, a share or a value. Names of entries are in errors.
package barrier
