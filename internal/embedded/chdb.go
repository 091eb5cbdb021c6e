package embedded

import (
	"fmt"
	"runtime"

	"github.com/ebitengine/purego"
)

// commandLine is the entry of the ClickHouse library that behaves as the program `clickhouse local`.
type commandLine func(argc int32, argv **byte) uintptr

func loadCommandLine(library string) (commandLine, error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the ClickHouse library %s: %w", library, err)
	}
	symbol, err := purego.Dlsym(handle, "chdb_query_cmdline")
	if err != nil {
		return nil, fmt.Errorf("find the entry of the ClickHouse library %s: %w", library, err)
	}
	var run commandLine
	purego.RegisterFunc(&run, symbol)
	return run, nil
}

// call runs the library with arguments and returns when its last query has ended. What it returns is a pointer to
// a result that nobody reads: an error is in its log and on standard error.
func (run commandLine) call(arguments []string) {
	argv := make([]*byte, len(arguments)+1) // C wants a null after the last
	for i, a := range arguments {
		argv[i] = &append([]byte(a), 0)[0]
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	for _, p := range argv[:len(arguments)] {
		pin.Pin(p)
	}
	run(int32(len(arguments)), &argv[0])
	runtime.KeepAlive(argv)
}
