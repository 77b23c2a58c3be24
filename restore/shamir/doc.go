// Package shamir splits a secret into shares and combines shares into the secret, byte by byte over
// GF(256) with the polynomial of AES (Adi Shamir, How to share a secret, 1979).
//
// A share has the layout of Vault and OpenBao: the y of every byte of the secret, then one byte x, which is not zero
// and in no two shares of a set the same. So shares that their servers gave combine here, and the other way round.
//
//	Combine → check → weights → the secret, a byte at a time
//	Split → coordinates → a polynomial for each byte → its value at each x
//
// What it guarantees: any threshold of the shares give the secret, and fewer say nothing about it but
// its length. What it cannot: shares carry no checksum, so a wrong share, a share of another set or one too few
// combine into another secret without an error. Whoever has a use for the secret has to notice.
//
// Arithmetic takes the same time whatever the bytes are: no table, no branch on a secret.
package shamir
