package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"filippo.io/age"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore"
	"holdfast/snapshot"
)

// verdicts are the exit codes and hints of errors, in order: the first that matches decides.
// Interruption comes first, since it breaks whatever was going on; then what is worst.
// A hint that an error carries itself is better than one of these.
var verdicts = []struct {
	match func(error) bool
	code  int
	hint  string
}{
	{as[*interrupted], exitInterrupted, ""},
	{as[*panicError], exitFailed, "this is a bug in holdfast; run again with --verbose and report what it prints"},
	{is(snapshot.ErrUntrusted), exitDamaged, "if that host is yours, add its public key to keys.trust"}, // more telling than damage, which it is too
	{damagedRepository, exitDamaged, "restore the object `repository` from a copy or an earlier version of it; nothing else is lost"},
	{is(snapshot.ErrDamaged), exitDamaged, "run verify on this vault, then restore the newest snapshot that passes"},
	{as[*age.NoIdentityMatchError], exitDamaged, "pass the identity of one of this snapshot's recipients with -i"},
	{is(restore.ErrOccupied), exitRefused, "restore to another place, or pass --replace"},
	{is(errRefused), exitRefused, ""},
	{is(errTargetForeign), exitRefused, "nothing but a database is replaced: move the file away if its place is meant"},
	{is(errTargetInUse), exitRefused, "stop what has it open first, or restore to another place"},
	{is(errObjective), exitObjective, ""},
	{is(snapshot.ErrLeaseHeld), exitLeased, "wait for it to end; a lease left by a crash expires by itself"},
	{is(snapshot.ErrLeaseLost), exitLeased, "this run was taken for dead; another one has the vault now"},
	{as[config.Errors], exitUsage, ""},
	{as[*config.Error], exitUsage, ""},
	{is(config.ErrMixedRecipients), exitUsage, config.MixedHint},
	{is(config.ErrSecretMissing), exitUsage, "set it where holdfast runs"},
	{is(config.ErrSecretOpen), exitUsage, "chmod 600 it, and treat the secret as known to those who could read it"},
	{is(errExposed), exitUsage, "chmod 600 it, and treat what is in it as known to those who could read it"},
	{is(errNeedIdentity), exitUsage, "pass the file of an identity with -i"},
	{is(errNoHostKey), exitUsage, "`holdfast init` makes one; keys.host says where it is"},
	{as[*usage], exitUsage, ""},
	{as[hinter], exitUsage, ""}, // mistakes in single values of the configuration
	{is(snapshot.ErrDenied), exitFailed, "check the store's credentials and their rights to read, list and write"},
	{is(snapshot.ErrNoBucket), exitFailed, "create it first, or correct repository.url"},
	{is(snapshot.ErrNoRepository), exitFailed, "`holdfast init` makes one; check repository.url"},
	{is(snapshot.ErrNoSnapshot), exitFailed, "`holdfast list` shows what there is"},
	{is(snapshot.ErrFull), exitFailed, "free some room or enlarge it; nothing was committed"},
	{is(snapshot.ErrUnsupported), exitFailed, "`holdfast doctor` shows what the store can do"},
	{is(snapshot.ErrClockSkew), exitFailed, "correct the clock of this host or of the store"},
	{is(snapshot.ErrEmpty), exitFailed, emptyHint},
	{is(errVaultEmpty), exitFailed, emptyHint},
	{is(errFolderEmpty), exitFailed, emptyHint},
	{is(errVaultLocked), exitFailed, "try again when its application pauses, or raise busy_timeout"},
	{is(errFileChanged), exitFailed, "try again, exclude what always changes, or set on_change: warn"},
	{is(errNothingChosen), exitFailed, "patterns begin at the vault's folder: `logs/*` is what lies in logs, `**/*.log` every .log"},
	{is(errNoPgDump), exitFailed, "install PostgreSQL's client programs, or name pg_dump in the vault's pg_dump"},
	{is(errOldPgDump), exitFailed, "install the client programs of the server's version, or name them in the vault's pg_dump"},
	{is(errTablesDenied), exitFailed, "grant SELECT on them to the role, or leave them out with `exclude`"},
	{is(errRowsHidden), exitFailed, "take snapshots as the tables' owner or as a role with BYPASSRLS"},
	{is(errNoSuchTable), exitFailed, "correct `tables` and `schemas` of the vault"},
	{is(errGaveWay), exitFailed, "try again when no definition is being changed, or raise lock_timeout"},
	{is(errTablesAltered), exitFailed, "try again when no definition is being changed"},
	{is(errIndexLacks), exitDamaged, "REINDEX the table, and find out what damaged the index; what is stored already is untouched"},
	{is(errPooled), exitFailed, "connect to the server itself, or through a pool in session mode"},
	{is(errNotAlone), exitFailed, "select what it needs too, or list under `exclude` what needs it"},
	{is(errServerTooOld), exitFailed, "PostgreSQL 12 and newer can be read"},
	{is(errTargetDenied), exitFailed, "name a superuser in the URL of --to, or give the role the rights and memberships that are named"},
	{is(errEncoding), exitFailed, "restore into a database with the encoding UTF8; --create makes a fitting one"},
	{is(errTargetTooOld), exitFailed, "restore into a server of the snapshot's version or a newer one"},
	{is(errTargetLacks), exitFailed, "make what is missing; --skip-missing leaves out owners, grants and foreign keys that need it"},
	{is(errNoTableChosen), exitFailed, "--only takes TABLE or SCHEMA.TABLE, with * and ?"},
	{is(errCommitUnknown), exitFailed, "look at the target before anything else: the server ended while it was committing"},
	{is(errWrongShares), exitDamaged, "use the shares that the cluster had when the snapshot was taken; after a rekey the new ones do not open older snapshots"},
	{is(errTooFewShares), exitUsage, "give more of them, one a line, each once"},
	{is(errSealKind), exitFailed, "start a server that reaches the key of that seal, and restore into it"},
	{is(errRaftArchive), exitFailed, "run it again; if it is so every time, look at the server's log and disk"},
	{is(errDrillReaches), exitRefused, "run the drill as root, or where a process may make a network namespace of its own"},
	{is(errDrill), exitFailed, "compare with an older snapshot: `holdfast drill VAULT --snapshot ID`"},
	{is(errReplaced), exitFailed, "look at the target before anything else: it holds the snapshot, and what is named is left to do"},
	{is(errOtherSplit), exitFailed, "restart every node of the target, then unseal it with the shares of the snapshot's cluster"},
	{is(errDowngrade), exitFailed, "restore into a server of the snapshot's version or a newer one"},
	{is(errNoRaft), exitFailed, "a server that keeps its data in PostgreSQL is a vault of kind postgres, with preset: hashicorp-vault"},
	{is(errNoSecrets), exitFailed, "check `mounts` and `exclude` of the vault, and what its login may list"},
	{is(errNoSuchMount), exitFailed, "correct `mounts` of the vault"},
	{is(errSecretHidden), exitFailed, "give the login the policy that the README shows, or leave it out with `exclude`"},
	{is(errSecretChanged), exitFailed, "try again when less is written to it"},
	{is(errMountMissing), exitFailed, "--create makes KV mounts that are missing, --mount names another"},
	{is(errTokenRights), exitFailed, "put a token into VAULT_TOKEN that has the rights that are named"},
	{is(errTooMuchReplaced), exitFailed, "restore a part at a time with --only"},
	{is(errSecretRaced), exitFailed, "stop what writes to it, then restore again"},
	{is(errNoSecretChosen), exitFailed, "--only takes MOUNT/PATH, with * and ?, ** for any folders, = before it for exactly that; `holdfast cat ID kv:` lists them"},
	{is(errNotAudit), exitFailed, "name the file that the audit device writes; other files are a vault of kind files"},
	{is(errLogChanged), exitFailed, "try again when no rotation is under way"},
	{is(errNoFileChosen), exitFailed, "--only takes names of files, with * and ?"},
	{is(errClusterSealed), exitFailed, "unseal the server"},
	{is(errClusterExpired), exitFailed, "put a valid token in its place, for a restore in VAULT_TOKEN; approle and kubernetes log in anew for each run"},
	{is(errWrapped), exitFailed, "have a new secret id wrapped; if nobody here used this one, find out who did"},
	{refusedLogin, exitFailed, "check the role, and the role id and secret id or the token of the service account: a secret id expires, or is used up"},
	{is(errClusterDenied), exitFailed, "give the login the policy that the README shows"},
	{is(errClusterLeaderless), exitFailed, "wait for an election to end; name more nodes under `addresses`"},
	{as[*tls.CertificateVerificationError], exitFailed, certificateHint},
	{as[*net.DNSError], exitFailed, "is the server's name right, and can this host look it up?"},
	{plainServer, exitFailed, "the server speaks HTTP without TLS there: write http://, or vault+http:// with --to, if the network between may be trusted"},
	{is(errClusterUnreachable), exitFailed, "is the server running, and does this host reach each node's api_addr?"},
	{is(errServerLost), exitFailed, "see the database server's log"},
	{sqlState("28P01"), exitFailed, "check the user, and the password in the URL, in PGPASSWORD or in the password file"},
	{sqlState("28000"), exitFailed, "the server's pg_hba.conf decides who may log in, from where, and whether without TLS (sslmode)"},
	{sqlState("3D000"), exitFailed, "correct the name at the end of the URL; a restore makes the database with --create"},
	{sqlState("53300"), exitFailed, "wait until others have disconnected, or let the role have more connections"},
	{is(syscall.ECONNREFUSED), exitFailed, "is the server running, and the endpoint right?"},
	{noSocket, exitFailed, "is the server running here, and is its socket where the URL says? Over a network, name its host"},
	{is(snapshot.ErrRetained), exitFailed, "it can be deleted when its lock has ended"},
	{is(syscall.ENOSPC), exitFailed, "free some room on the disk"},
	{is(fs.ErrPermission), exitFailed, "run as a user who may, or change the file's mode"},
	{is(context.DeadlineExceeded), exitFailed, "it took too long; raise the timeout, or see what is slow with --verbose"},
	{is(context.Canceled), exitInterrupted, ""}, // last: one failure cancels the work beside it
}

const certificateHint = "connect by the name that the certificate is for; who signed it must be trusted here (PostgreSQL: sslrootcert; clusters: ca_file, VAULT_CACERT with --to)"

const emptyHint = "check that the vault's path or tables are the right ones"

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// damagedRepository tells damage of the one object that everything begins with: verify cannot
// say more about it, since it has to open it too.
func damagedRepository(err error) bool {
	d := (*snapshot.Damage)(nil)
	return errors.As(err, &d) && d.Key == snapshot.RepositoryKey
}

// refusedLogin tells a login that a cluster did not accept: no policy of its token mends that.
func refusedLogin(err error) bool {
	answer := (*clusterAnswer)(nil)
	return errors.As(err, &answer) && strings.HasPrefix(answer.Path, "auth/") && strings.HasSuffix(answer.Path, "/login")
}

// plainServer tells a server that was asked in TLS and answered without. Its error has no type (net/http).
func plainServer(err error) bool {
	return errors.Is(err, errClusterUnreachable) && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// noSocket tells a Unix socket that is not there.
func noSocket(err error) bool {
	op := (*net.OpError)(nil)
	return errors.As(err, &op) && errors.Is(op, fs.ErrNotExist)
}
