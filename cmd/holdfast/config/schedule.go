package config

// A Job does something with some vaults, at set times. It takes snapshots of Vaults or
// rehearses the restore of Drill, not both.
type Job struct {
	// Vaults to take snapshots of.
	Vaults []string `yaml:"vaults"`
	// Vaults to restore into a scratch place, compare and time.
	Drill []string `yaml:"drill"`
	// When: five cron fields (minute, hour, day, month, weekday), @hourly, @daily, @weekly, @monthly, @yearly or @every DURATION. Without it the job runs only when asked for.
	Cron string `yaml:"cron"`
	// The IANA time zone of cron, such as Europe/Berlin.
	Timezone string `yaml:"timezone" jsonschema:"default=UTC"`
	// A random delay up to this, so that many hosts do not start in the same second.
	Jitter Duration `yaml:"jitter"`
	// Run once after downtime if the missed time is no longer ago than this.
	CatchUp Duration `yaml:"catch_up"`
	// The run is ended and counts as failed after this.
	Timeout Duration `yaml:"timeout" jsonschema:"default=6h"`
	// How often a failed run is tried again, with growing pauses.
	Retries int `yaml:"retries" jsonschema:"minimum=0,maximum=20,default=2"`
	// The retention policy that follows a snapshot. Without it nothing is pruned.
	Retention string `yaml:"retention"`
	// What is checked right after a snapshot. checksum needs no key; content and restore need an identity on this host.
	Verify string `yaml:"verify" jsonschema:"enum=checksum,enum=content,enum=restore"`
}

// Retention says how many snapshots are kept, counted back from the newest. A snapshot that
// any rule keeps stays.
type Retention struct {
	// The newest this many.
	Last int `yaml:"last" jsonschema:"minimum=0,maximum=100000"`
	// The newest of each of this many hours that have one.
	Hourly int `yaml:"hourly" jsonschema:"minimum=0,maximum=100000"`
	// The newest of each of this many days that have one.
	Daily int `yaml:"daily" jsonschema:"minimum=0,maximum=100000"`
	// The newest of each of this many ISO weeks that have one.
	Weekly int `yaml:"weekly" jsonschema:"minimum=0,maximum=100000"`
	// The newest of each of this many months that have one.
	Monthly int `yaml:"monthly" jsonschema:"minimum=0,maximum=100000"`
	// The newest of each of this many years that have one.
	Yearly int `yaml:"yearly" jsonschema:"minimum=0,maximum=100000"`
}

// An Alert is a channel for messages (URL) or a dead-man's switch (Ping), not both.
type Alert struct {
	// Where messages go: a notification URL for chat, mail, paging or a webhook. It holds credentials, so: env:NAME or file:PATH.
	URL Secret `yaml:"url"`
	// Which events are told.
	On []string `yaml:"on" jsonschema:"enum=failure,enum=recovery,enum=stale,enum=damage,enum=drill,enum=anomaly"`
	// An http(s) address that is called after each verified snapshot, and only then. Its owner raises the alarm when calls stop.
	Ping Secret `yaml:"ping" secret:"inline"`
}

// Schedule says how jobs are started.
type Schedule struct {
	// local runs the jobs of this file on this host; river shares them among many hosts through PostgreSQL.
	Engine string `yaml:"engine" jsonschema:"enum=local,enum=river,default=local"`
	// The PostgreSQL database of the river engine.
	URL Secret `yaml:"url" secret:"inline"`
	// The river queues that this host works on.
	Queues []string `yaml:"queues"`
}
