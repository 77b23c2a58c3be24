// Package vaultapi talks to HashiCorp Vault and OpenBao: it finds the node to talk to, logs in there,
// sends requests, retries what may be retried, and moves archives as raw streams. It is what the
// adapters for Raft archives and for KV secrets have in common, and knows nothing of either.
//
// # The path of one session
//
//	Server.Login → find (sys/leader of every address, then of the leader itself) → login (auth.go)
//	  → Session.Read, List, Write, Put, Delete → Session.retry → Session.send
//	  → Session.Download, Upload (stream.go)
//	  → Session.Close revokes the token that Login made
//
// # What it guarantees
//
//   - A token goes only to an address whose node called itself active right before, and that was configured or
//     named by a standby over the same scheme. A redirect is never followed: it means that the node is
//     not active, and the leader is looked for again. So a standby's answer is not taken for the
//     leader's, whatever its status says. Behind a load balancer that changes nodes between two requests this
//     takes as many rounds as it takes to meet the leader, or a standby whose leader can be reached directly.
//   - Requests that are lost on the way are sent again if the server certainly did not act on them, or if
//     acting twice does no harm: reads, lists, deletions and Put. Write is never sent twice. The whole time
//     is bounded: a few tries, or Server.LeaderWait while the cluster elects a leader.
//   - io.EOF of a download is the end of what the server sent. A connection that is cut, or that
//     stands still for Server.Stall, is an error. So is an upload that the server takes nothing of.
//   - Errors hold the operation, the path, the status and the server's own messages; never a
//     token, a body or anything of a login.
//   - Nothing is read from the environment: no address, no token, no proxy.
//
// # Namespaces
//
// Server.Namespace goes with logins and with every request of a session. The questions that need no token
// (seal status, health, leader) are asked without it, since servers answer them in the root namespace alone.
package vaultapi
