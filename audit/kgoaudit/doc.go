// Package kgoaudit joins package audit to the franz-go Kafka client. It owns the
// record header, how a record is known that has none (Identify), hooks that number and
// follow what a client produces (Producer), the watermarks of what a client consumes
// (Consumer), and reports sent through Kafka (Reporter). It must not know how reports
// are made or stored.
//
// Traps, each of which has cost somebody events:
//
//   - A Producer belongs to the first hop. A relay that forwards records keeps their
//     header: a record that has one is never numbered again.
//   - Flush the client before Producer.Close: a record in its buffer has not left.
//   - A record whose promise ended with an error is rejected, for good, and its header
//     is taken off. Producing it again is a new event. So let the client do the
//     retrying (it does, without limit, by default).
//   - Consumers poll, write durably, observe, and commit last, by Consumer.Commit,
//     which commits only once the server has the report of what was observed. Use
//     DisableAutoCommit and BlockRebalanceOnPoll, call AllowRebalance after Commit, and
//     end with CloseAllowingRebalance.
//   - ConsumeResetOffset rewinds one minute by default: set it to AtStart.
//   - Poll with a deadline and call Commit also when nothing came, at least once a
//     heartbeat: an idle partition's watermark moves only then.
//   - A partition that nobody consumes holds its windows open. That is meant.
//   - Transactions are not followed: the marker that ends one takes an offset that no
//     poll returns, so a lane would stop at it.
package kgoaudit
