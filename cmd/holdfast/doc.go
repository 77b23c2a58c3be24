// Command holdfast backs up secrets vaults so that a restore is proven.
//
// One call goes like this: main hands the arguments to run, which builds the tree of
// commands around an app (what all of them share: streams, global flags, logger) and runs
// the chosen one. A command file cmd_<verb>.go parses flags, builds values, makes one call
// into the packages below and prints. Whatever error comes back is looked up once, in the
// table of exit.go, for its exit code and its hint.
//
// What it guarantees: results go to stdout and everything else to stderr; with --json
// stdout holds exactly one JSON document, of the result or of the error; progress bars
// appear on a terminal only; anything unknown, and a panic, is a failure.
package main
