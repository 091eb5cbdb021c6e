package kgoaudit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrInDoubt is in the chain of what EndTransaction and EndSession return when they
// could not find out whether the transaction was committed. Nothing is said of its
// records until it is known. Call again with kgo.TryAbort; or give the Participants to
// a new client, and end a transaction of that.
var ErrInDoubt = errors.New("it is not known whether the transaction was committed")

// askFor is how long the log is asked what became of a transaction, before it is in doubt.
const askFor = 10 * time.Second

// Participant is a Producer or a Consumer whose records a transaction holds.
type Participant interface {
	// prepare comes before a commit, when all that was produced is acknowledged.
	prepare(ctx context.Context, cl *kgo.Client) error
	// attempted comes before a commit is asked for: from here on it may have happened.
	attempted()
	// ended says that no transaction is open, and what became of it: committed, aborted,
	// or for the participant to find out. It returns what it was.
	ended(ctx context.Context, cl *kgo.Client, o outcome) (outcome, error)
}

// outcome is what became of a transaction.
type outcome int

const (
	aborted outcome = iota
	committedForSure
	inDoubt
)

// EndTransaction takes the place of kgo.Client.EndTransaction, and of the Flush or
// AbortBufferedRecords before it, for the client of audited producers. It returns
// whether the transaction was committed. The error says why it was not although that was
// asked for; the transaction is over all the same, unless ErrInDoubt is in its chain
// or ctx has ended.
//
// Records of an aborted transaction are rejected, for the reason "aborted", and get new
// numbers when they are produced again. Begin transactions by kgo.Client.BeginTransaction.
func EndTransaction(ctx context.Context, cl *kgo.Client, commit kgo.TransactionEndTry, parts ...Participant) (bool, error) {
	return end(ctx, cl, commit, parts, func(commit kgo.TransactionEndTry) (bool, error) {
		err := cl.EndTransaction(ctx, commit)
		if err != nil && commit == kgo.TryCommit {
			return false, errors.Join(err, cl.EndTransaction(ctx, kgo.TryAbort)) // as it asks for
		}
		return err == nil && commit == kgo.TryCommit, err
	})
}

// EndSession takes the place of kgo.GroupTransactSession.End in the same way. It also
// returns false, without an error, when the group changed and the transaction was
// aborted for that.
func EndSession(ctx context.Context, s *kgo.GroupTransactSession, commit kgo.TransactionEndTry, parts ...Participant) (bool, error) {
	return end(ctx, s.Client(), commit, parts, func(commit kgo.TransactionEndTry) (bool, error) { return s.End(ctx, commit) })
}

func end(ctx context.Context, cl *kgo.Client, commit kgo.TransactionEndTry, parts []Participant, try func(kgo.TransactionEndTry) (bool, error)) (bool, error) {
	if err := finishRecords(ctx, cl, commit); err != nil {
		return false, fmt.Errorf("end a transaction: %w", err)
	}
	var failed error
	if commit == kgo.TryCommit {
		if failed = prepare(ctx, cl, parts); failed != nil {
			commit = kgo.TryAbort
		}
	}
	if commit == kgo.TryCommit {
		for _, p := range parts {
			p.attempted()
		}
	}
	done, err := try(commit)
	o := aborted
	switch {
	case done:
		o = committedForSure
	case err != nil || commit == kgo.TryCommit:
		o = inDoubt
	}
	return told(ctx, cl, parts, o, errors.Join(failed, err))
}

// finishRecords waits until every promise of the client was kept or broken.
func finishRecords(ctx context.Context, cl *kgo.Client, commit kgo.TransactionEndTry) error {
	if commit == kgo.TryCommit {
		return cl.Flush(ctx)
	}
	return cl.AbortBufferedRecords(ctx)
}

func prepare(ctx context.Context, cl *kgo.Client, parts []Participant) error {
	for _, p := range parts {
		if err := p.prepare(ctx, cl); err != nil {
			return fmt.Errorf("report inside the transaction: %w", err)
		}
	}
	return nil
}

// told tells all that take part and returns what EndTransaction does.
func told(ctx context.Context, cl *kgo.Client, parts []Participant, o outcome, cause error) (bool, error) {
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	var unknown []error
	was := o
	for _, p := range parts {
		found, err := p.ended(asking, cl, o)
		if was == inDoubt || found == committedForSure { // an abort may come after a commit that was in doubt
			was = found
		}
		unknown = append(unknown, err)
	}
	if err := errors.Join(unknown...); err != nil {
		return was == committedForSure, fmt.Errorf("end a transaction: %w", errors.Join(cause, err))
	}
	if was == committedForSure {
		return true, nil
	}
	if cause != nil {
		return false, fmt.Errorf("a transaction was aborted: %w", cause)
	}
	return false, nil
}
