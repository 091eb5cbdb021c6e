package embedded

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A broker that is killed forgets which transactions were open, and takes them for aborted without writing so into the
// partitions. But readers know the end of an aborted transaction by that record alone: without it they skip all that the
// same producer commits afterwards, and at the next start the old records count as part of what it committed. So after a
// kill the missing records are written, before anybody else is let in.

const repairLimit = time.Minute

// unclean says whether the broker before in dir was killed, and begins a life that counts as such until the returned
// function is called.
func unclean(dir string) (killed bool, ended func() error, err error) {
	path := filepath.Join(dir, "serving")
	_, err = os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, nil, err
	}
	killed = err == nil
	return killed, func() error { return os.Remove(path) }, os.WriteFile(path, nil, 0o600)
}

// openTransaction is one that has records in a partition and no end there.
type openTransaction struct {
	topic     string
	partition int32
	producer  int64
	epoch     int16
}

// openTransactions looks through all partitions below dir.
func openTransactions(dir string) ([]openTransaction, error) {
	partitions, err := filepath.Glob(filepath.Join(dir, "partitions", "*"))
	if err != nil {
		return nil, err
	}
	var all []openTransaction
	for _, path := range partitions {
		topic, partition, err := partitionOf(filepath.Base(path))
		if err != nil {
			return nil, err
		}
		open, err := openIn(path)
		if err != nil {
			return nil, fmt.Errorf("look for open transactions in %s: %w", path, err)
		}
		for producer, epoch := range open {
			all = append(all, openTransaction{topic, partition, producer, epoch})
		}
		if err := forget(filepath.Join(path, "snapshot.json"), open); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// forget removes what the broker wrote of a partition at its last end in order: it knows of open transactions, and would not look for
// them again.
func forget(snapshot string, open map[int64]int16) error {
	if len(open) == 0 {
		return nil
	}
	if err := os.Remove(snapshot); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// partitionOf reads the name of a partition's directory.
func partitionOf(name string) (topic string, partition int32, err error) {
	at := strings.LastIndexByte(name, '-')
	if at < 0 {
		return "", 0, fmt.Errorf("%q is not the directory of a partition", name)
	}
	number, err := strconv.ParseInt(name[at+1:], 10, 32)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not the directory of a partition: %w", name, err)
	}
	topic, err = url.PathUnescape(name[:at])
	return topic, int32(number), err
}

// openIn returns producer and epoch of the transactions that a partition has the beginning of and not the end.
func openIn(dir string) (map[int64]int16, error) {
	segments, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil {
		return nil, err
	}
	base := func(path string) int64 {
		n, _ := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), ".dat"), 10, 64) // no number: not a segment, and empty
		return n
	}
	slices.SortFunc(segments, func(a, b string) int { return cmp.Compare(base(a), base(b)) })
	open := map[int64]int16{}
	for _, path := range segments {
		if err := scanSegment(path, open); err != nil {
			return nil, err
		}
	}
	return open, nil
}

// The head of a record batch of Kafka, format 2, and what is read of it.
const (
	batchHead     = 61
	batchLengthAt = 8 // of the rest, after these 4 bytes
	attributesAt  = 21
	producerAt    = 43
	epochAt       = 51

	transactional = 1 << 4
	control       = 1 << 5
)

// scanSegment goes through the heads of a segment's batches. What is torn at its end the broker leaves out as well.
func scanSegment(path string, open map[int64]int16) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	batches := bufio.NewReaderSize(file, 64<<10)
	for head := make([]byte, batchHead); ; {
		_, err := io.ReadFull(batches, head)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rest := int64(int32(binary.BigEndian.Uint32(head[batchLengthAt:]))) + batchLengthAt + 4 - batchHead
		if rest < 0 {
			return nil
		}
		if _, err := io.CopyN(io.Discard, batches, rest); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		note(head, open)
	}
}

func note(head []byte, open map[int64]int16) {
	producer := int64(binary.BigEndian.Uint64(head[producerAt:]))
	switch attributes := binary.BigEndian.Uint16(head[attributesAt:]); {
	case attributes&control != 0:
		delete(open, producer)
	case attributes&transactional != 0:
		open[producer] = int16(binary.BigEndian.Uint16(head[epochAt:]))
	}
}

// abort writes the end of each transaction, over a door that is still shut to others.
func abort(ctx context.Context, door *door, open []openTransaction) error {
	if len(open) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, repairLimit)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(door.Addr().String()), kgo.Dialer(door.dial))
	if err != nil {
		return err
	}
	defer client.Close()
	for _, o := range open {
		marker := kadm.TxnMarkers{ProducerID: o.producer, ProducerEpoch: o.epoch, Topics: kadm.TopicsSet{}}
		marker.Topics.Add(o.topic, o.partition)
		answers, err := kadm.NewClient(client).WriteTxnMarkers(ctx, marker)
		for _, answer := range answers.SortedPartitions() {
			err = errors.Join(err, answer.Err)
		}
		if err != nil {
			return fmt.Errorf("abort the transaction of producer %d in %s/%d: %w", o.producer, o.topic, o.partition, err)
		}
	}
	return nil
}

// door is a listener that lets only this process in until it is opened.
type door struct {
	net.Listener
	own    chan net.Conn
	opened chan struct{}
	closed chan struct{}
}

func newDoor(l net.Listener) *door {
	return &door{Listener: l, own: make(chan net.Conn), opened: make(chan struct{}), closed: make(chan struct{})}
}

// Accept returns a connection of this process, and of others once the door is open.
func (d *door) Accept() (net.Conn, error) {
	select {
	case conn := <-d.own:
		return conn, nil
	case <-d.opened:
		return d.Listener.Accept()
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the listener; the broker calls it once or more.
func (d *door) Close() error {
	select {
	case <-d.closed:
	default:
		close(d.closed)
	}
	return d.Listener.Close()
}

func (d *door) open() { close(d.opened) }

// dial connects this process, whatever the address.
func (d *door) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case d.own <- theirs:
		return ours, nil
	case <-d.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
