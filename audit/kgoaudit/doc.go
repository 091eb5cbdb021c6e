// Package kgoaudit joins package audit to the franz-go Kafka client. It owns the
// record header, how a record is known that has none (Identify), hooks that number and
// follow what a client produces (Producer), the watermarks of what a client consumes and,
// on request, the observing of it (Consumer), both in transactions (EndTransaction,
// EndSession), and reports sent through Kafka (Reporter). It must not know how reports
// are made or stored.
//
// Traps, each of which has cost somebody events, and what is done about them:
//
//   - A Producer belongs to the first hop. A relay that forwards records keeps their
//     header: a record that has one is never numbered again. So whoever uses a Record
//     again for another event empties its Headers first.
//   - Flush the client before Producer.Close: a record in its buffer has not left.
//   - A record whose promise ended with an error is rejected, for good, and its header
//     is taken off. Producing it again is a new event. So let the client do the
//     retrying (it does, without limit, by default).
//   - franz-go calls a record of a transaction acknowledged when the broker has it, though
//     it may be aborted later. So its outcome is held until EndTransaction or EndSession.
//     A transaction ended otherwise holds the watermark back for good.
//   - A commit whose answer is lost may have happened. The log is asked.
//   - Consumers poll, write durably, observe, and commit last, by Consumer.Commit,
//     which commits only once the server has the report of what was observed. A client
//     that commits by itself is refused.
//   - franz-go's hook calls records polled that it does not return, while a partition is
//     paused. What was polled counts only once its offset is committed.
//   - BlockRebalanceOnPoll without AllowRebalance holds up the whole group.
//     Consumer.Round calls it always; who polls by hand calls it after Commit, and ends
//     with Consumer.Close or CloseAllowingRebalance.
//   - ConsumeResetOffset rewinds one minute by default; Consumer.Options sets AtStart.
//   - Poll with a deadline and call Commit also when nothing came, at least once a
//     heartbeat: an idle partition's watermark moves only then. Round does both.
//   - A partition that nobody consumes holds its windows open. That is meant.
//   - The marker that ends a transaction, and aborted records, take offsets that no poll
//     returns. Mark looks for them where a lane does not move.
package kgoaudit
