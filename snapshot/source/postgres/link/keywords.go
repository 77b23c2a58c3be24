package link

import "strings"

// A keyword is one connection option of libpq.
type keyword struct {
	env     string // the environment variable that stands for it; empty if there is none
	refused bool   // it asks for a protection that the drivers here cannot give
	values  string // that it may have, each between spaces; empty: any
}

func (k keyword) allows(value string) bool {
	return k.values == "" || strings.Contains(k.values, " "+value+" ")
}

const protocols = " 3.0 3.2 latest "

// keywords are the options that libpq 17 knows. Whatever else a DSN names is a mistake: libpq
// refuses it too, and a misspelled sslmode must not end in a connection without TLS.
var keywords = map[string]keyword{
	"service":                  {env: "PGSERVICE"},
	"servicefile":              {env: "PGSERVICEFILE"},
	"user":                     {env: "PGUSER"},
	"password":                 {env: "PGPASSWORD"},
	"passfile":                 {env: "PGPASSFILE"},
	"dbname":                   {env: "PGDATABASE"},
	"host":                     {env: "PGHOST"},
	"hostaddr":                 {env: "PGHOSTADDR"},
	"port":                     {env: "PGPORT"},
	"connect_timeout":          {env: "PGCONNECT_TIMEOUT"},
	"application_name":         {env: "PGAPPNAME"},
	"options":                  {env: "PGOPTIONS"},
	"target_session_attrs":     {env: "PGTARGETSESSIONATTRS", values: " any read-write read-only primary standby prefer-standby "},
	"load_balance_hosts":       {env: "PGLOADBALANCEHOSTS", values: " disable random "},
	"channel_binding":          {env: "PGCHANNELBINDING", values: " disable prefer require "},
	"require_auth":             {env: "PGREQUIREAUTH"},
	"sslmode":                  {env: "PGSSLMODE", values: " disable allow prefer require verify-ca verify-full "},
	"sslnegotiation":           {env: "PGSSLNEGOTIATION", values: " postgres direct "},
	"sslrootcert":              {env: "PGSSLROOTCERT"},
	"sslcert":                  {env: "PGSSLCERT"},
	"sslkey":                   {env: "PGSSLKEY"},
	"sslpassword":              {},
	"sslcertmode":              {env: "PGSSLCERTMODE", values: " disable allow require "},
	"sslsni":                   {env: "PGSSLSNI", values: " 0 1 "},
	"ssl_min_protocol_version": {env: "PGSSLMINPROTOCOLVERSION", values: " TLSv1 TLSv1.1 TLSv1.2 TLSv1.3 "},
	"ssl_max_protocol_version": {env: "PGSSLMAXPROTOCOLVERSION", values: " TLSv1 TLSv1.1 TLSv1.2 TLSv1.3 "},
	"min_protocol_version":     {env: "PGMINPROTOCOLVERSION", values: protocols},
	"max_protocol_version":     {env: "PGMAXPROTOCOLVERSION", values: protocols},
	"gssencmode":               {env: "PGGSSENCMODE", values: " disable prefer "},
	"krbsrvname":               {env: "PGKRBSRVNAME"},
	"gsslib":                   {env: "PGGSSLIB"},
	"gssdelegation":            {env: "PGGSSDELEGATION"},

	"sslcrl":      {env: "PGSSLCRL", refused: true},
	"sslcrldir":   {env: "PGSSLCRLDIR", refused: true},
	"requirepeer": {env: "PGREQUIREPEER", refused: true},

	// Accepted because connection strings carry them, and without effect: what they set is set
	// by this package for every session, or has no meaning for a backup.
	"client_encoding":           {},
	"fallback_application_name": {},
	"keepalives":                {},
	"keepalives_idle":           {},
	"keepalives_interval":       {},
	"keepalives_count":          {},
	"tcp_user_timeout":          {},
	"sslcompression":            {env: "PGSSLCOMPRESSION"},
}
