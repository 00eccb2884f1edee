// One client of Go against one database; see ../__init__.py.
//
//	clients pgx|lib/pq URL CERTIFICATE-OF-ANOTHER direct|gateway
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"time"
)

const (
	word  = "SELECT word FROM club.types WHERE id = $1"
	held  = "UPDATE club.held SET times = times + 1 WHERE id <= $1"
	ids   = "SELECT id FROM club.types ORDER BY id"
	kept  = "SELECT word FROM club.inbox WHERE n < 0"
	lost  = "INSERT INTO club.inbox VALUES (-1, 'lost')"
	keeps = "INSERT INTO club.inbox VALUES (-2, 'kept')"
)

var (
	ctx           = context.Background()
	url, other    string
	direct        bool
	stdin         = bufio.NewReader(os.Stdin)
	errUnverified = errors.New("the certificate is not verified")
)

// A notOffered says why an item cannot be.
type notOffered string

func (why notOffered) Error() string { return string(why) }

// The fields of an error; nil where it is none of the server's.
type fields struct {
	Sqlstate string `json:"sqlstate"`
	Message  string `json:"message"`
	Detail   string `json:"detail"`
}

type item struct {
	name string
	do   func() error
}

func say(line any) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func check(got, wanted any) error {
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("%v is not %v", got, wanted)
	}
	return nil
}

func count(from, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = from + i
	}
	return all
}

func elsewhere() string {
	at := strings.Index(url, "sslrootcert=")
	return url[:at] + "sslrootcert=" + other
}

func unverified(err error) error {
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		return errors.Join(errUnverified, err)
	}
	return nil
}

func wantState(err error, wanted string, of func(error) *fields) error {
	said := of(err)
	if said == nil {
		return fmt.Errorf("%v is not %s", err, wanted)
	}
	return check(said.Sqlstate, wanted)
}

// A ticket, an operator who says yes, and the same again: once.
func isHeld(ask func() (int64, error), of func(error) *fields) error {
	passes := func() error {
		n, err := ask()
		if err != nil {
			return err
		}
		return check(n, int64(3))
	}
	if direct {
		return passes()
	}
	_, err := ask()
	first := of(err)
	if first == nil {
		return fmt.Errorf("it was not held: %w", err)
	}
	say(map[string]any{"held": first})
	stdin.ReadString('\n')
	if err := passes(); err != nil {
		return err
	}
	_, err = ask()
	if err := wantState(err, "ZB001", of); err != nil {
		return err
	}
	if of(err).Detail == first.Detail {
		return errors.New("the same ticket again")
	}
	return nil
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == module {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return "unknown"
}

func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 5*time.Second)
}

func main() {
	var items []item
	var module string
	var err error

	client := os.Args[1]
	url, other, direct = os.Args[2], os.Args[3], os.Args[4] == "direct"
	if client == "pgx" {
		module = "github.com/jackc/pgx/v5"
		items, err = ofPgx()
	} else {
		module = "github.com/lib/pq"
		items, err = ofPq()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	say(map[string]string{"client": client, "version": version(module)})
	for _, i := range items {
		var none notOffered
		switch err := i.do(); {
		case err == nil:
			say(map[string]string{"item": i.name, "result": "passed"})
		case errors.As(err, &none):
			say(map[string]string{"item": i.name, "result": "not offered", "why": string(none)})
		default:
			say(map[string]string{"item": i.name, "result": "failed", "why": err.Error()})
		}
	}
}
