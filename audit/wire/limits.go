package wire

import "time"

// Limits bound what is taken. Every refusal names the limit it rests on. The zero
// value refuses everything: begin with DefaultLimits.
type Limits struct {
	Request   int           // bytes of a request, after decompression
	Entries   int           // objects (messages) of a request, of all kinds together
	Roll      int           // bytes of one roll as sent in Roaring form
	Memory    int           // bytes of all rolls of a request when unpacked
	Windows   int           // windows a report
	Sources   int           // sources a report, over its windows
	Foreign   int           // foreign UIDs a report, over its windows
	Tallies   int           // schema and reason tallies a report, over its windows
	Lanes     int           // lanes a report, and laneCount
	After     int           // hops that one hop comes after
	Ended     int           // ended emitters a report
	Buckets   int           // buckets of one latency histogram
	Name      int           // characters of a stream's or hop's name
	Text      int           // characters of a lane, host, container, version, schema id or version
	Reason    int           // characters of a reason
	UID       int           // bytes of a foreign UID
	Heartbeat uint32        // seconds
	Count     uint64        // any counter, and a report's number
	MaxAge    time.Duration // how old the end of a window may be
	MaxFuture time.Duration // how far ahead the start of a window may be
}

// DefaultLimits returns the limits of a server that was told nothing else.
func DefaultLimits() Limits {
	return Limits{
		Request: 4 << 20, Entries: 400_000, Roll: 1 << 20, Memory: 64 << 20,
		Windows: 20_000, Sources: 10_000, Foreign: 10_000, Tallies: 100_000,
		Lanes: 100_000, After: 100, Ended: 10_000, Buckets: 1000,
		Name: 200, Text: 200, Reason: 1000, UID: 1024, Heartbeat: 86_400, Count: 1<<53 - 1,
		MaxAge: 7 * 24 * time.Hour, MaxFuture: 5 * time.Minute,
	}
}
