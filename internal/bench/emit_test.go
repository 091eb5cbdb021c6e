package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// planVariable carries a plan to the process that plays it.
const planVariable = "ROLLCALL_BENCH_PLAN"

// emit plays a plan and writes what its emitters send: a frame for each batch, its length and its protobuf
// bytes, and after each second a frame of length 0.
func emit(text string, to io.Writer) error {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	out := bufio.NewWriterSize(to, 1<<20)
	frame := func(body []byte) error {
		var head [4]byte
		binary.LittleEndian.PutUint32(head[:], uint32(len(body)))
		if _, err := out.Write(head[:]); err != nil {
			return err
		}
		_, err := out.Write(body)
		return err
	}
	m, err := newMachine(p, func(_ int, batch wire.Batch) error {
		body, err := wire.EncodeProto(batch)
		if err != nil {
			return err
		}
		return frame(body)
	})
	if err != nil {
		return err
	}
	return m.play(func(int) error {
		if err := frame(nil); err != nil {
			return err
		}
		return out.Flush()
	})
}

// emitters is a process that plays a plan.
type emitters struct {
	command *exec.Cmd
	in      *bufio.Reader
}

func startEmitters(ctx context.Context, p plan) (*emitters, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	e := &emitters{command: exec.CommandContext(ctx, self)}
	e.command.Env = append(os.Environ(), planVariable+"="+string(text))
	e.command.Stderr = os.Stderr
	out, err := e.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	e.in = bufio.NewReaderSize(out, 1<<20)
	return e, e.command.Start()
}

// second returns the bodies sent in one second of the plan; io.EOF when it is over.
func (e *emitters) second() ([][]byte, error) {
	var bodies [][]byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(e.in, head[:]); err != nil {
			return nil, err
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n == 0 {
			return bodies, nil
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(e.in, body); err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
}

// wait waits for the end of the process and returns the CPU time it used.
func (e *emitters) wait() (time.Duration, error) {
	if err := e.command.Wait(); err != nil {
		return 0, fmt.Errorf("the emitters: %w", err)
	}
	state := e.command.ProcessState
	return state.UserTime() + state.SystemTime(), nil
}
