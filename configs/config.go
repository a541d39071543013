package configs

import "time"

// Config is everything an operator can choose. The zero value is not usable:
// start from Default or Load.
//
// Tags: yaml is the name in the file; enum, min and max bound what is accepted;
// reload:"live" marks what a reload changes without a restart, and is inherited
// by everything below the field.
type Config struct {
	// The Kafka cluster behind warder.
	Upstream Upstream `yaml:"upstream"`
	// Where clients connect. Without any, one listener named `default` on 127.0.0.1:9092.
	Listeners []Listener `yaml:"listeners"`
	// The HTTP interface for operators: health, metrics, findings, status page.
	Admin Admin `yaml:"admin"`
	// What is decoded, and what happens to traffic that cannot be.
	Inspect Inspect `yaml:"inspect"`
	// What each rule does. Every rule is on `alert` unless said otherwise.
	Rules Rules `yaml:"rules" reload:"live"`
	// Findings that are known and accepted until a date.
	Suppressions []Suppression `yaml:"suppressions" reload:"live"`
	// Where findings go, besides the admin interface.
	Sinks Sinks `yaml:"sinks" reload:"live"`
	// A trail of who did what, chained by hashes so that gaps and edits show. Off unless given.
	Audit *Audit `yaml:"audit"`
	// Recordings of what passes, to be replayed and exported. Nothing is recorded without it.
	Record *Record `yaml:"record"`
	// warder's own log, on stderr.
	Log Log `yaml:"log"`
	// Continuous profiling and pprof; both off unless asked for.
	Profiling Profiling `yaml:"profiling"`
	// Bounds of the metrics page.
	Metrics Metrics `yaml:"metrics"`
	// How warder ends.
	Drain Drain `yaml:"drain" reload:"live"`
	// A small file, replaced atomically, that remembers broker ports, topology and topic
	// configuration over a restart; relative to the configuration file. Beside it, in a file of the
	// same name with `.groups` behind, stands what groups had committed, for 30 days, written once a
	// minute and when warder ends. Empty: nothing is remembered.
	StateFile Path `yaml:"state_file"`
	// Leave APIs that warder does not know in the answer to ApiVersions. Off, clients
	// never use an API whose bytes warder could not inspect or rewrite.
	PassUnknownAPIs bool `yaml:"pass_unknown_apis" reload:"live"`
	// Make /readyz answer 503 while no bootstrap broker can be reached. Off, that reads
	// `degraded` and stays 200, since taking the client down does not mend a broker.
	ReadyRequiresUpstream bool `yaml:"ready_requires_upstream" reload:"live"`

	// Warnings are what Load found worth saying although the configuration is valid.
	Warnings Problems `yaml:"-"`
	// Path is the file this was loaded from, empty when there was none.
	Path string `yaml:"-"`
	// Hash identifies the effective content: equal hashes, equal configuration.
	Hash string `yaml:"-"`

	tree *tree // positions of what was set, for errors found after Load
}

// Default is the configuration when nothing is said but the upstream; that one
// alone (upstream.bootstrap) has no default.
func Default() *Config {
	c := &Config{}
	c.SetDefaults()
	c.Listeners = []Listener{defaultListener()}
	return c
}

// SetDefaults fills every knob that has a default.
func (c *Config) SetDefaults() {
	c.Upstream.SetDefaults()
	c.Admin = Admin{Address: "127.0.0.1:9644"}
	c.Inspect.SetDefaults()
	c.Rules.SetDefaults()
	c.Sinks.SetDefaults()
	c.Log = Log{Level: "info", Format: "auto"}
	c.Profiling.Pyroscope.Application = "warder"
	c.Metrics = Metrics{MaxSeries: 10000}
	c.Drain = Drain{Deadline: 25 * time.Second}
}

// Admin is the HTTP interface for operators.
type Admin struct {
	// host:port of the interface; `off` closes it.
	Address Address `yaml:"address"`
	// File holding the bearer token that requests must carry; surrounding space is cut.
	// Required when the address is not loopback.
	TokenFile Path `yaml:"token_file"`
}

// AdminOff is the admin address that closes the interface.
const AdminOff Address = "off"

// Enabled says whether the interface is wanted.
func (a Admin) Enabled() bool { return a.Address != AdminOff }

// Inspect says what is decoded.
type Inspect struct {
	// What happens to traffic that cannot be decoded: `forward` passes and counts it,
	// `refuse` answers with an error or closes the connection.
	OnUndecodable string `yaml:"on_undecodable" enum:"forward,refuse"`
	// How much of what consumers fetch is shown to the rules that ask for it: nothing (`off`), a
	// few batches of each connection (`sample`: at most 8 batches and 1 MiB of records a second,
	// of batches up to 256 KiB), or every batch up to 1 MiB (`all`). Nothing is held back for it.
	FetchRecords string `yaml:"fetch_records" enum:"off,sample,all"`
	// Most bytes one record batch may expand to before it counts as undecodable. 1KiB-2GiB.
	MaxDecompressed Size `yaml:"max_decompressed" min:"1KiB" max:"2GiB"`
	// Most times its compressed size one record batch may expand to; its first 8 MiB are
	// free. 2-100000.
	MaxRatio int `yaml:"max_ratio" min:"2" max:"100000"`
	// Largest message other than a Produce request and the answer to Fetch that is decoded;
	// larger ones pass undecoded, or are refused when addresses in them would need rewriting.
	// 64KiB-64MiB.
	MaxMessage Size `yaml:"max_message" min:"64KiB" max:"64MiB"`
}

// SetDefaults fills every knob that has a default.
func (i *Inspect) SetDefaults() {
	*i = Inspect{
		OnUndecodable:   "forward",
		FetchRecords:    "sample",
		MaxDecompressed: 64 * MiB,
		MaxRatio:        100,
		MaxMessage:      MiB,
	}
}

// Record says what is recorded.
type Record struct {
	// Directory of the recordings, of this warder alone. It is made when it is needed.
	Dir Path `yaml:"dir"`
	// What is recorded: `all` connections all the time, as with `--record`, or `flagged`: what
	// happened before a finding that is critical or of a rule on action `record`, and 30 s of what
	// follows, of all connections.
	Mode string `yaml:"mode" enum:"flagged,all"`
	// What is kept of records: the headers of batches (`none`), keys as well (`keys`), or values too
	// (`full`). Passwords and tokens are never kept.
	Payload string `yaml:"payload" enum:"none,keys,full"`
	// Most bytes of recordings in the directory, those of earlier runs included; the oldest are
	// deleted. 16MiB-1TiB.
	MaxSize Size `yaml:"max_size" min:"16MiB" max:"1TiB"`
	// Memory for what happened last, compressed, of mode `flagged`. 1MiB-1GiB.
	Flight Size `yaml:"flight" min:"1MiB" max:"1GiB"`
}

// SetDefaults fills every knob that has a default.
func (r *Record) SetDefaults() {
	*r = Record{Dir: "recordings", Mode: "flagged", Payload: "none", MaxSize: 1 * GiB, Flight: 32 * MiB}
}

// All says that everything is recorded.
func (r *Record) All() bool { return r.Mode == "all" }

// Log is warder's own log.
type Log struct {
	// Least important level that is written.
	Level string `yaml:"level" enum:"trace,debug,info,warn,error" reload:"live"`
	// `json`, `console` for people, or `auto`: console on a terminal, else json.
	Format string `yaml:"format" enum:"auto,json,console"`
}

// Profiling is off unless asked for.
type Profiling struct {
	// Continuous profiling sent to a Pyroscope server.
	Pyroscope Pyroscope `yaml:"pyroscope"`
	// Serve /debug/pprof on the admin address.
	Pprof bool `yaml:"pprof"`
}

// Pyroscope is where profiles are sent.
type Pyroscope struct {
	// URL of the Pyroscope server; empty sends nothing.
	ServerAddress string `yaml:"server_address" secret:"url"`
	// Name the profiles are stored under.
	Application string `yaml:"application"`
}

// Metrics bounds the metrics page.
type Metrics struct {
	// Most label combinations shown per metric family whose labels come from traffic (groups and
	// their partitions): those that lag or rebalance most; the rest is summed under the group
	// `other`. 100-1000000.
	MaxSeries int `yaml:"max_series" min:"100" max:"1000000"`
}

// Drain says how warder ends.
type Drain struct {
	// Time after SIGTERM for outstanding answers before connections are cut. 0s-10m.
	Deadline time.Duration `yaml:"deadline" min:"0s" max:"10m"`
}
