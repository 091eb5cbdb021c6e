package cli

import (
	"github.com/rollcallhq/rollcall/inspector/api"
)

// Serve holds the flags of "rollcall serve". Each is also a key of the configuration
// file and, with ROLLCALL_ before it, an environment variable; the command line wins
// over the environment, and the environment over the file.
type Serve struct {
	Config                 string   `env:"ROLLCALL_CONFIG" type:"path" help:"Configuration file in YAML; unknown keys are refused." placeholder:"FILE"`
	Role                   string   `default:"all" enum:"all,ingest,reconcile,inspector" env:"ROLLCALL_ROLE" help:"What this process does: ${enum}; others than all need --clickhouse-addr and --kafka-brokers." placeholder:"ROLE"`
	Listen                 string   `default:"127.0.0.1:8080" env:"ROLLCALL_LISTEN" help:"Address of the API and the page." placeholder:"HOST:PORT"`
	Tokens                 string   `env:"ROLLCALL_TOKENS" type:"path" help:"File of tokens, made by \"rollcall token\"; without it everybody may do everything, and the server listens on loopback only." placeholder:"FILE"`
	TLSCert                string   `name:"tls-cert" env:"ROLLCALL_TLS_CERT" type:"path" help:"Certificate to serve HTTPS with, PEM, its chain after it; followed when it changes." placeholder:"FILE"`
	TLSKey                 string   `name:"tls-key" env:"ROLLCALL_TLS_KEY" type:"path" help:"Key of the certificate, PEM; not readable by everybody." placeholder:"FILE"`
	InsecureHTTP           bool     `name:"insecure-http" env:"ROLLCALL_INSECURE_HTTP" help:"Listen beyond loopback without TLS, where a proxy ends it. Tokens are in clear on the way there."`
	Data                   string   `default:"rollcall-data" env:"ROLLCALL_DATA" type:"path" help:"Directory of the embedded services." placeholder:"DIR"`
	Keys                   string   `env:"ROLLCALL_KEYS" type:"path" help:"Directory of the keys that sign certificates, made by \"rollcall keys\" and the same for all servers; keys in --data when not given, where a service is embedded." placeholder:"DIR"`
	ClickhouseAddr         []string `name:"clickhouse-addr" env:"ROLLCALL_CLICKHOUSE_ADDR" help:"ClickHouse servers (native protocol); embedded when not given." placeholder:"HOST:PORT"`
	ClickhouseUser         string   `name:"clickhouse-user" default:"default" env:"ROLLCALL_CLICKHOUSE_USER" help:"ClickHouse user." placeholder:"NAME"`
	ClickhousePassword     string   `name:"clickhouse-password" env:"ROLLCALL_CLICKHOUSE_PASSWORD" secret:"" help:"ClickHouse password, which other users of the machine can see; better in a file." placeholder:"TEXT"`
	ClickhousePasswordFile string   `name:"clickhouse-password-file" env:"ROLLCALL_CLICKHOUSE_PASSWORD_FILE" type:"path" help:"File that holds the ClickHouse password." placeholder:"FILE"`
	ClickhouseDatabase     string   `name:"clickhouse-database" default:"rollcall" env:"ROLLCALL_CLICKHOUSE_DATABASE" help:"ClickHouse database; made when it is not there." placeholder:"NAME"`
	ClickhouseTLS          bool     `name:"clickhouse-tls" env:"ROLLCALL_CLICKHOUSE_TLS" help:"Speak TLS to ClickHouse; its port for that is 9440 as a rule."`
	ClickhouseCAFile       string   `name:"clickhouse-ca-file" env:"ROLLCALL_CLICKHOUSE_CA_FILE" type:"path" help:"Certificates to trust ClickHouse by instead of the system's, PEM." placeholder:"FILE"`
	KafkaBrokers           []string `name:"kafka-brokers" env:"ROLLCALL_KAFKA_BROKERS" help:"Kafka brokers; embedded when not given." placeholder:"HOST:PORT"`
	KafkaSASL              string   `name:"kafka-sasl" default:"none" enum:"none,plain,scram-sha-256,scram-sha-512" env:"ROLLCALL_KAFKA_SASL" help:"How to show Kafka the user and the password: ${enum}." placeholder:"MECHANISM"`
	KafkaUser              string   `name:"kafka-user" env:"ROLLCALL_KAFKA_USER" help:"Kafka user." placeholder:"NAME"`
	KafkaPasswordFile      string   `name:"kafka-password-file" env:"ROLLCALL_KAFKA_PASSWORD_FILE" type:"path" help:"File that holds the Kafka password." placeholder:"FILE"`
	KafkaTLS               bool     `name:"kafka-tls" env:"ROLLCALL_KAFKA_TLS" help:"Speak TLS to Kafka."`
	KafkaCAFile            string   `name:"kafka-ca-file" env:"ROLLCALL_KAFKA_CA_FILE" type:"path" help:"Certificates to trust Kafka by instead of the system's, PEM." placeholder:"FILE"`
	SamplesDays            int      `name:"samples-days" default:"7" env:"ROLLCALL_SAMPLES_DAYS" help:"How many days samples of events that broke their schema are kept from now on, 1 to 3650." placeholder:"N"`
	LogLevel               string   `name:"log-level" default:"info" enum:"debug,info,warn,error" env:"ROLLCALL_LOG_LEVEL" help:"How much to log: ${enum}." placeholder:"LEVEL"`
	LogFormat              string   `name:"log-format" default:"auto" enum:"auto,text,json" env:"ROLLCALL_LOG_FORMAT" help:"How to log: ${enum}; auto is text on a terminal and else json." placeholder:"FORMAT"`
	MetricsStreams         int      `name:"metrics-streams" default:"200" env:"ROLLCALL_METRICS_STREAMS" help:"How many streams have series of their own in /metrics, in the order of their names; the rest is summed as other." placeholder:"N"`
	DebugListen            string   `name:"debug-listen" env:"ROLLCALL_DEBUG_LISTEN" help:"Address of Go's profiler, on loopback; there is none when not given." placeholder:"HOST:PORT"`

	// Streams are the settings under streams: in the configuration file.
	Streams map[string]api.Settings `kong:"-"`

	// Notify is what stands under notify: in the configuration file.
	Notify Notify `kong:"-"`

	// Retention is what stands under retention: in the configuration file.
	Retention Retention `kong:"-"`
}

// Retention says how many days what is kept; 0 stands for the default.
type Retention struct {
	EvidenceDays      int `yaml:"evidenceDays"`
	WindowsDays       int `yaml:"windowsDays"`
	ForeignDays       int `yaml:"foreignDays"`
	TalliesDays       int `yaml:"talliesDays"`
	IncidentsDays     int `yaml:"incidentsDays"`
	NotificationsDays int `yaml:"notificationsDays"`
	SilencesDays      int `yaml:"silencesDays"`
	QuarantineDays    int `yaml:"quarantineDays"`
}

// Run serves until the program is told to end.
func (c *Serve) Run(s *session) error {
	if s.file.err != nil {
		return wrongUse("%w", s.file.err)
	}
	c.Streams, c.Notify, c.Retention = s.file.loaded.streams, s.file.loaded.notify, s.file.loaded.retention
	return s.env.Serve(s.ctx, *c)
}

// Demo holds the flags of "rollcall demo".
type Demo struct {
	Rounds       int      `help:"End after this many rounds; go on until stopped when not given." placeholder:"N"`
	RoundSeconds int      `default:"60" help:"Traffic of a round, in seconds; made a whole number of ten-second windows." placeholder:"S"`
	Rate         int      `default:"2000" help:"Events a second." placeholder:"N"`
	Faults       string   `default:"all" help:"What to plant: all, none, or some of lost,duplicated,corrupt,filtered,invalid,delayed,kill." placeholder:"LIST"`
	Listen       string   `help:"Address of the page and the API; 127.0.0.1:8080 or, where that is taken, any free port." placeholder:"HOST:PORT"`
	Data         string   `type:"path" help:"Directory to work in and to leave behind; a temporary one, removed at the end, when not given." placeholder:"DIR"`
	KafkaBrokers []string `name:"kafka-brokers" help:"Kafka brokers that have no topics of an earlier demo; embedded when not given." placeholder:"HOST:PORT"`
	Flights      string   `env:"ROLLCALL_FLIGHTS" type:"path" help:"The file flights-3m.parquet; found in lib beside the executable when not given." placeholder:"FILE"`

	// JSON says that the outcome is for a program.
	JSON bool `kong:"-"`
}

// Run runs the demo; the answer is bad when a name is missed or false.
func (c *Demo) Run(s *session) error {
	switch {
	case c.Rounds < 0:
		return wrongUse("--rounds %d: a number of rounds cannot be negative", c.Rounds)
	case c.RoundSeconds < 1:
		return wrongUse("--round-seconds %d: a round needs at least a second of traffic", c.RoundSeconds)
	case c.Rate < 1 || c.Rate > 100_000:
		return wrongUse("--rate %d: give between 1 and 100000 events a second", c.Rate)
	}
	c.JSON = s.asJSON
	return s.env.Demo(s.ctx, *c)
}

// DemoHop holds the flags of one process of the demo; the demo itself sets them.
type DemoHop struct {
	Hop     string `arg:"" enum:"app,relay,sink" help:"Which hop to be."`
	Brokers string `required:"" help:"Kafka brokers, with commas between."`
	Server  string `name:"report-to" help:"Server to report to over HTTP (app)."`
	Dir     string `required:"" help:"Directory of the hop's durable state."`
	Faults  string `default:"none" help:"Faults to plant."`
	Flights string `help:"The flights file (app)."`
	Rate    int    `help:"Events a second (app)."`
	From    when   `help:"When to begin (app)."`
	Until   when   `help:"When to end (app)."`
}

// Run is one hop of the demo until its standard input ends.
func (c *DemoHop) Run(s *session) error { return s.env.Hop(s.ctx, *c) }
