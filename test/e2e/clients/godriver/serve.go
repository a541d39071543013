package godriver

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
)

// Operation runs one request; its result is written as JSON.
type Operation func(*Request) (any, error)

// Failure is the `error` object of an answer.
type Failure struct {
	Name      string `json:"name,omitempty"`
	Code      *int16 `json:"code"`
	Message   string `json:"message"`
	Retriable *bool  `json:"retriable"`
}

// Unsupported is the error for what the library (not the broker) cannot do; it says why.
type Unsupported string

func (u Unsupported) Error() string { return string(u) }

// Driver is one library's driver.
type Driver struct {
	Operations map[string]Operation
	Describe   func(error) *Failure // an error in the library's own words
	Close      func()               // closes what is still open when the requests end
}

type answer struct {
	ID          int64    `json:"id"`
	OK          bool     `json:"ok"`
	Result      any      `json:"result,omitempty"`
	Unsupported bool     `json:"unsupported,omitempty"`
	Error       *Failure `json:"error,omitempty"`
}

// Answer runs one request.
func (d *Driver) Answer(r *Request) any {
	operation := d.Operations[r.Op]
	if operation == nil {
		return answer{ID: r.ID, Unsupported: true, Error: &Failure{Message: fmt.Sprintf("the driver has no operation %q", r.Op)}}
	}
	result, err := operation(r)
	if why, ok := errors.AsType[Unsupported](err); ok {
		return answer{ID: r.ID, Unsupported: true, Error: &Failure{Message: string(why)}}
	}
	if err != nil {
		log.Printf("%s: %v", r.Op, err)
		return answer{ID: r.ID, Error: d.Describe(err)}
	}
	if result == nil {
		result = struct{}{}
	}
	return answer{ID: r.ID, OK: true, Result: result}
}

// Serve answers the requests of in on out, each in a goroutine of its own, until in ends; then it closes everything.
// A line that is no request ends it with an error.
func (d *Driver) Serve(in io.Reader, out io.Writer) error {
	var outLock sync.Mutex
	lines := bufio.NewReaderSize(in, 1<<20)
	defer d.Close()
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r := new(Request)
		if err := json.Unmarshal(line, r); err != nil {
			return fmt.Errorf("no request: %w", err)
		}
		go func() {
			text, err := json.Marshal(d.Answer(r))
			if err != nil {
				log.Fatalf("%s: the answer is no JSON: %v", r.Op, err)
			}
			outLock.Lock()
			defer outLock.Unlock()
			if _, err := out.Write(append(text, '\n')); err != nil {
				log.Printf("writing the answer: %v", err)
			}
		}()
	}
}

// Main serves stdin and stdout; the log goes to stderr.
func (d *Driver) Main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if err := d.Serve(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}
