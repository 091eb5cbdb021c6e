package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// failure is an error with the exit code it ends the program with.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// wrongUse says that the caller gave something that cannot be right.
func wrongUse(format string, args ...any) error {
	return &failure{code: WrongUse, err: fmt.Errorf(format, args...)}
}

// cannotAsk says that no answer could be had.
func cannotAsk(format string, args ...any) error {
	return &failure{code: CannotAsk, err: fmt.Errorf(format, args...)}
}

// badAnswer says in words what is bad about the answer.
func badAnswer(format string, args ...any) error {
	return &failure{code: Bad, err: fmt.Errorf(format, args...)}
}

// badWhen turns an answer already printed into its exit code.
func badWhen(bad bool) error {
	if bad {
		return &failure{code: Bad, err: ErrBad}
	}
	return nil
}

// tell prints err, unless the printed answer has said it already, and returns the exit code.
func tell(stderr io.Writer, err error) int {
	if err == nil {
		return Good
	}
	code := CannotAsk
	var f *failure
	switch {
	case errors.As(err, &f):
		code = f.code
	case errors.Is(err, ErrBad):
		code = Bad
	case errors.Is(err, ErrWrongUse):
		code = WrongUse
	case errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	}
	if f == nil || f.err != ErrBad { //nolint:errorlint // the bare sentinel means: printed already
		_, _ = fmt.Fprintf(stderr, "rollcall: %v\n", err)
	}
	return code
}
