// Package bench holds the benchmarks that need more than one package: what a minute of events costs from
// the first observation to the verdict, in CPU, bytes and memory, beside the way that keeps a row for
// every event. It owns the made-up traffic and the measuring and has no code but tests; nothing imports it.
//
// ROLLCALL_BENCH_SCALE (1) shrinks the amounts: 0.1 is a tenth of the events or streams.
package bench
